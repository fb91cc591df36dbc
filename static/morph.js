// Makes one tree look like another, keeping the elements that are there: focus, ticked boxes, selections and scroll
// positions stay. Elements are told by data-key or id, else by their place.

const keyOf = node => node.nodeType === 1 ? node.dataset?.key ?? (node.id || null) : null;

function alike(one, other) {
  return one.nodeType === other.nodeType && one.nodeName === other.nodeName && keyOf(one) === keyOf(other);
}

// Not the white space between tags, which is another where a template's branch was another.
const isShown = node => node.nodeType !== 3 || node.data.trim() !== "";

function nextShown(node) {
  while (node && !isShown(node)) node = node.nextSibling;
  return node;
}

function attributes(old, wanted) {
  for (const { name } of [...old.attributes]) if (!wanted.hasAttribute(name)) old.removeAttribute(name);
  for (const { name, value } of wanted.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
}

export function morph(old, wanted) {
  const keyed = new Map([...old.childNodes].filter(keyOf).map(node => [keyOf(node), node]));
  const kept = new Set([...wanted.childNodes].map(keyOf).filter(Boolean));
  let at = nextShown(old.firstChild);
  for (const want of [...wanted.childNodes].filter(isShown)) {
    const key = keyOf(want);
    while (at && keyOf(at) && !kept.has(keyOf(at))) {
      const gone = at;
      at = nextShown(at.nextSibling);
      gone.remove();
    }
    const found = key ? keyed.get(key) : at && alike(at, want) ? at : null;
    if (!found || found.nodeName !== want.nodeName) {
      old.insertBefore(want, at);
      continue;
    }
    if (found === at) at = nextShown(at.nextSibling);
    else old.insertBefore(found, at);
    if (found.nodeType === 1) {
      attributes(found, want);
      morph(found, want);
    } else if (found.data !== want.data) found.data = want.data;
  }
  while (at) {
    const gone = at;
    at = nextShown(at.nextSibling);
    gone.remove();
  }
}
