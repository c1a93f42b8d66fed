import { divergingTable, sequentialTable, type ColourTable } from "./colours";
import type { Colour } from "./painter";

/** What is drawn on a canvas gets the theme's colours from here; style sheets read them themselves. */
export interface CanvasTheme {
  readonly hatch: { readonly ground: Colour; readonly line: Colour };
  readonly sequential: ColourTable;
  readonly diverging: ColourTable;
  /** `rgb(...)` */
  readonly background: string;
  readonly foreground: string;
  readonly muted: string;
  readonly font: string;
}

let current: CanvasTheme | null = null;
const watchers = new Set<() => void>();

/** The theme as it is now. */
export function canvasTheme(): CanvasTheme {
  current ??= read();
  return current;
}

/** @returns what ends it */
export function watchTheme(changed: () => void): () => void {
  if (watchers.size === 0) observer.observe(document.body, { attributes: true });
  if (watchers.size === 0) observer.observe(document.documentElement, { attributes: true });
  watchers.add(changed);
  return () => {
    watchers.delete(changed);
    if (watchers.size === 0) observer.disconnect();
    // Nobody sees it change any more
    if (watchers.size === 0) current = null;
  };
}

const observer = new MutationObserver(() => {
  current = null;
  for (const changed of watchers) changed();
});

function read(): CanvasTheme {
  const style = getComputedStyle(document.body);
  const background = colourOf(style.getPropertyValue("--vscode-editor-background"));
  const foreground = colourOf(style.getPropertyValue("--vscode-foreground"));
  const muted = colourOf(style.getPropertyValue("--vscode-descriptionForeground"));
  const highContrast = document.body.className.includes("high-contrast");
  const isDark = background[0] + background[1] + background[2] < 1.5;
  return {
    hatch: {
      ground: mixed(background, foreground, highContrast ? 0 : 0.03),
      line: mixed(background, foreground, highContrast ? 0.45 : 0.13),
    },
    sequential: sequentialTable(),
    diverging: divergingTable(isDark),
    background: cssOf(background),
    foreground: cssOf(foreground),
    muted: cssOf(muted),
    font: style.fontFamily,
  };
}

/** Any colour of CSS, as the browser would show it. */
function colourOf(css: string): Colour {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = 1;
  const context = canvas.getContext("2d")!;
  context.fillStyle = css;
  context.fillRect(0, 0, 1, 1);
  const [red, green, blue] = context.getImageData(0, 0, 1, 1).data;
  return [red / 255, green / 255, blue / 255];
}

function mixed(from: Colour, to: Colour, part: number): Colour {
  const mix = (at: 0 | 1 | 2): number => from[at] + (to[at] - from[at]) * part;
  return [mix(0), mix(1), mix(2)];
}

function cssOf(colour: Colour): string {
  return `rgb(${colour.map((part) => Math.round(255 * part)).join(" ")})`;
}
