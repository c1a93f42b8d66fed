/** What leaves the panel as a file: the extension asks where to, and writes it. */
export interface ExportedFile {
  /** Without a folder: `spectrum.svg`. */
  readonly name: string;
  readonly content: Uint8Array | string;
}

/** Of a style sheet, what an SVG file has to carry itself. */
const carried = [
  "fill",
  "fill-opacity",
  "stroke",
  "stroke-width",
  "stroke-dasharray",
  "font-family",
  "font-size",
  "font-weight",
  "font-variant-numeric",
  "image-rendering",
];

/** A chart as a file of its own, with the colours that it has in the theme, upon its background. */
export function svgFile(svg: SVGSVGElement): string {
  const copy = svg.cloneNode(true) as SVGSVGElement;
  const shown = [svg, ...svg.querySelectorAll("*")];
  for (const [at, element] of [copy, ...copy.querySelectorAll("*")].entries()) {
    const style = getComputedStyle(shown[at]);
    for (const name of carried) element.setAttribute(name, style.getPropertyValue(name));
    element.removeAttribute("class");
  }
  const background = document.createElementNS("http://www.w3.org/2000/svg", "rect");
  background.setAttribute("width", "100%");
  background.setAttribute("height", "100%");
  background.setAttribute("fill", getComputedStyle(document.body).backgroundColor);
  copy.prepend(background);
  return new XMLSerializer().serializeToString(copy);
}
