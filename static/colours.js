// The colours of the page for a canvas, resolved for the light or dark theme.

const resolved = (element, colour) => {
  const probe = document.createElement("span");
  probe.style.color = colour;
  element.append(probe);
  const colourValue = getComputedStyle(probe).color;
  probe.remove();
  return colourValue;
};

// One colour for each stage: a gradient from the colour of working to that of done.
export function palette(element, stages) {
  return Array.from({ length: stages }, (_, at) => {
    const done = stages === 1 ? 100 : (100 * at) / (stages - 1);
    return resolved(element, `color-mix(in oklab, var(--done) ${done}%, var(--work))`);
  });
}

palette.named = (element, name) => resolved(element, `var(${name})`);

// Every second stage has stripes, so that neighbours differ by more than colour.
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
