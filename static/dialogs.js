// Confirmation of harmful actions: a button named `ask` has the question as its value. Without JavaScript the server shows the question.

const dialog = document.createElement("dialog");
dialog.className = "ask";
dialog.innerHTML = `<form method="dialog"><p id="question"></p>
<p class="tools"><button value="yes"></button><button value="no">Cancel</button></p></form>`;
dialog.setAttribute("aria-labelledby", "question");
document.body.append(dialog);
let pending = null; // { form, button }

function ask(form, button, question) {
  pending = { form, button };
  dialog.returnValue = "no";
  dialog.querySelector("#question").textContent = question;
  dialog.querySelector("[value=yes]").textContent = button.dataset.confirm ?? button.textContent;
  dialog.showModal();
  dialog.querySelector("[value=no]").focus(); // the safe choice
}

document.addEventListener("submit", event => {
  const button = event.submitter, form = event.target;
  if (button?.name !== "ask" || form.dataset.confirmed) return;
  event.preventDefault();
  const boxes = [...form.elements].filter(element => element.type === "checkbox");
  if (!boxes.length || button.getAttribute("formaction")?.includes("all=")) return ask(form, button, button.value);
  const ticked = boxes.filter(box => box.checked).length;
  if (ticked) return ask(form, button, button.value.replace("the selected jobs", ticked === 1 ? "1 job" : `${ticked} jobs`));
  boxes[0].focus();
  boxes[0].setCustomValidity("Select a job first.");
  boxes[0].reportValidity();
  boxes[0].addEventListener("change", () => boxes[0].setCustomValidity(""), { once: true });
});

dialog.addEventListener("close", () => {
  const { form, button } = pending;
  if (dialog.returnValue !== "yes") return button.focus();
  form.dataset.confirmed = "yes";
  const confirmed = Object.assign(document.createElement("input"), { type: "hidden", name: "confirmed", value: "1" });
  form.append(confirmed);
  form.requestSubmit(button);
  setTimeout(() => { // an updated page may keep the form: its next action must ask again
    confirmed.remove();
    delete form.dataset.confirmed;
  });
});

// A click outside the question cancels.
dialog.addEventListener("click", event => { if (event.target === dialog) dialog.close("no"); });
export const isAsking = () => dialog.open;
