// The page's own colours, as a canvas needs them: resolved for light or dark.

const resolved = (element, colour) => {
  const probe = document.createElement("span");
  probe.style.color = colour;
  element.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
};

// One colour a stage: from the colour of work to that of what is done, which the last stage makes.
export function palette(element, stages) {
  return Array.from({ length: stages }, (_, at) => {
    const done = stages === 1 ? 100 : (100 * at) / (stages - 1);
    return resolved(element, `color-mix(in oklab, var(--done) ${done}%, var(--work))`);
  });
}

palette.one = (element, name) => resolved(element, `var(${name})`);

// Neighbours differ by more than colour: every other one is striped.
export function stripes(colour, paper) {
  const size = 8 * devicePixelRatio, tile = document.createElement("canvas");
  tile.width = tile.height = size;
  const pen = tile.getContext("2d");
  pen.fillStyle = colour;
  pen.fillRect(0, 0, size, size);
  pen.globalAlpha = 0.35;
  pen.strokeStyle = paper;
  pen.lineWidth = size / 4;
  for (const shift of [-size, 0, size]) {
    pen.beginPath();
    pen.moveTo(shift, size);
    pen.lineTo(shift + size, 0);
    pen.stroke();
  }
  return pen.createPattern(tile, "repeat");
}
