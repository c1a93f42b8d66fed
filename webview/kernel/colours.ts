/**
 * Colour maps, as tables of 256 colours [256, 4] of bytes (red, green, blue, 255).
 *
 * Both are laid out in OKLab (Ottosson 2020), in which equal distances look about equal, so that no edge is seen where the
 * numbers have none; and both are told apart with any of the common colour vision deficiencies.
 */
export type ColourTable = Uint8Array<ArrayBuffer>;

export const tableSize = 256;

type Triple = readonly [number, number, number];

/** Matplotlib's viridis (Smith and van der Walt 2015, CC0), at ninths. */
const viridis = ["440154", "472d7b", "3b528b", "2c728e", "21908c", "27ad81", "5dc863", "aadc32", "fde725"];

/** From dark to light, for numbers that are not negative. */
export function sequentialTable(): ColourTable {
  const stops = viridis.map((hex) => toLab(fromHex(hex)));
  return tableOf((part) => {
    const at = part * (stops.length - 1);
    const before = Math.min(stops.length - 2, Math.floor(at));
    return mixed(stops[before], stops[before + 1], at - before);
  });
}

/** Zero is in the middle, near to what is around the picture: blue is below it, and orange above. */
export function divergingTable(dark: boolean): ColourTable {
  const zero = dark ? 0.27 : 0.97;
  const far = dark ? 0.84 : 0.44;
  const chroma = 0.135;
  return tableOf((part) => {
    const signed = 2 * part - 1;
    const distance = Math.abs(signed);
    const hue = ((signed < 0 ? 250 : 55) * Math.PI) / 180;
    return [zero + (far - zero) * distance, chroma * distance * Math.cos(hue), chroma * distance * Math.sin(hue)];
  });
}

/** `linear-gradient(...)` of a map, for the style sheet. */
export function gradientOf(table: ColourTable): string {
  const stops = Array.from({ length: 33 }, (_, index) => {
    const at = Math.round((index / 32) * (tableSize - 1)) * 4;
    return `rgb(${table[at]} ${table[at + 1]} ${table[at + 2]})`;
  });
  return `linear-gradient(to right, ${stops.join(", ")})`;
}

/** `rgb(...)` at a part of the way, from 0 to 1. */
export function colourAt(table: ColourTable, part: number): string {
  const at = Math.round(Math.min(1, Math.max(0, part)) * (tableSize - 1)) * 4;
  return `rgb(${table[at]} ${table[at + 1]} ${table[at + 2]})`;
}

function tableOf(lab: (part: number) => Triple): ColourTable {
  const table = new Uint8Array(tableSize * 4);
  for (let index = 0; index < tableSize; index++) {
    const colour = fromLab(lab(index / (tableSize - 1)));
    table.set([...colour.map((part) => Math.round(255 * part)), 255], index * 4);
  }
  return table;
}

function mixed(from: Triple, to: Triple, part: number): Triple {
  const mix = (at: 0 | 1 | 2): number => from[at] + (to[at] - from[at]) * part;
  return [mix(0), mix(1), mix(2)];
}

function fromHex(hex: string): Triple {
  const part = (at: number): number => parseInt(hex.slice(at, at + 2), 16) / 255;
  return [part(0), part(2), part(4)];
}

/** sRGB, each part from 0 to 1, to OKLab. */
export function toLab(rgb: Triple): Triple {
  const [r, g, b] = rgb.map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
  const l = Math.cbrt(0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b);
  const m = Math.cbrt(0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b);
  const s = Math.cbrt(0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b);
  return [
    0.2104542553 * l + 0.793617785 * m - 0.0040720468 * s,
    1.9779984951 * l - 2.428592205 * m + 0.4505937099 * s,
    0.0259040371 * l + 0.7827717662 * m - 0.808675766 * s,
  ];
}

/** OKLab to sRGB; what the screen cannot show is cut. */
function fromLab([lightness, a, b]: Triple): number[] {
  const l = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const m = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const s = (lightness - 0.0894841775 * a - 1.291485548 * b) ** 3;
  return [
    4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s,
    -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
    -0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s,
  ].map((part) => {
    const encoded = part <= 0.0031308 ? 12.92 * part : 1.055 * part ** (1 / 2.4) - 0.055;
    return Math.min(1, Math.max(0, encoded));
  });
}
