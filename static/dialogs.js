// Actions that ask first: a button named `ask` has the question as its value. Without JavaScript the server asks.

const dialog = document.createElement("dialog");
dialog.className = "ask";
dialog.innerHTML = `<form method="dialog"><p id="question"></p>
<p class="tools"><button value="yes" class="strong">Yes</button><button value="no">No, go back</button></p></form>`;
dialog.setAttribute("aria-labelledby", "question");
document.body.append(dialog);
let asked = null; // [form, button]

function ask(form, button) {
  asked = [form, button];
  dialog.returnValue = "no";
  dialog.querySelector("#question").textContent = button.value;
  dialog.showModal();
  dialog.querySelector("[value=yes]").focus();
}

document.addEventListener("submit", event => {
  const button = event.submitter;
  if (button?.name !== "ask" || event.target.dataset.sure) return;
  event.preventDefault();
  const chosen = [...event.target.elements].filter(one => one.type === "checkbox");
  const all = button.hasAttribute("formaction");
  if (chosen.length && !all && !chosen.some(one => one.checked)) {
    chosen[0].focus();
    chosen[0].setCustomValidity("Choose a job first.");
    chosen[0].reportValidity();
    chosen[0].addEventListener("change", () => chosen[0].setCustomValidity(""), { once: true });
    return;
  }
  ask(event.target, button);
});

dialog.addEventListener("close", () => {
  const [form, button] = asked;
  asked = null;
  if (dialog.returnValue !== "yes") {
    button.focus();
    return;
  }
  form.dataset.sure = "yes";
  form.append(Object.assign(document.createElement("input"), { type: "hidden", name: "sure", value: "1" }));
  form.requestSubmit(button);
});

// A click beside the question is a no.
dialog.addEventListener("click", event => { if (event.target === dialog) dialog.close("no"); });
export const isAsking = () => dialog.open;
