import type { KernelAxis } from "../../sidecar/protocol/ntk";
import { boundariesAlong, groupsAlong, ticksAlong, type AxisRoom } from "./axes";
import { colourAt, type ColourTable } from "./colours";
import { formatTick, ticksOf, type ColourScale } from "./scale";
import { canvasTheme } from "./theme";
import type { Size } from "./viewport";

export interface HeatmapImage {
  readonly picture: HTMLCanvasElement;
  readonly title: string;
  /** Of the picture, in CSS pixels. */
  readonly size: Size;
  readonly rows: { readonly axis: KernelAxis; readonly room: AxisRoom };
  readonly columns: { readonly axis: KernelAxis; readonly room: AxisRoom };
  readonly isGiven: boolean;
  readonly colours: { readonly scale: ColourScale; readonly table: ColourTable } | null;
}

const margin = { left: 76, top: 60, right: 24, bottom: 56 };

/** A picture with a title, axes and legend, in the theme's colours, at the screen's resolution. */
export async function heatmapPng(image: HeatmapImage): Promise<Uint8Array> {
  const { size, picture } = image;
  const canvas = document.createElement("canvas");
  const density = picture.width / size.width;
  canvas.width = Math.round((margin.left + size.width + margin.right) * density);
  canvas.height = Math.round((margin.top + size.height + margin.bottom) * density);
  const context = canvas.getContext("2d")!;
  const theme = canvasTheme();
  context.scale(density, density);
  context.fillStyle = theme.background;
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.imageSmoothingEnabled = false;
  context.drawImage(picture, margin.left, margin.top, size.width, size.height);
  // As on the screen, in kernel.css
  context.fillStyle = image.colours?.scale.diverging ? theme.foreground : "#fff";
  context.globalAlpha = 0.6;
  for (const y of boundariesAlong(image.rows.axis, image.rows.room)) {
    context.fillRect(margin.left, margin.top + Math.round(y), size.width, 1);
  }
  for (const x of boundariesAlong(image.columns.axis, image.columns.room)) {
    context.fillRect(margin.left + Math.round(x), margin.top, 1, size.height);
  }
  context.globalAlpha = 1;
  context.fillStyle = theme.foreground;
  context.font = `600 13px ${theme.font}`;
  context.fillText(image.title, margin.left, 20, size.width);
  context.font = `12px ${theme.font}`;
  context.fillStyle = theme.muted;
  drawAxis(context, image, "columns");
  drawAxis(context, image, "rows");
  if (image.colours !== null) drawLegend(context, image.colours, size);
  const blob = await new Promise<Blob | null>((done) => canvas.toBlob(done, "image/png"));
  if (blob === null) throw new Error(`A picture of ${canvas.width} x ${canvas.height} pixels is too large to export.`);
  return new Uint8Array(await blob.arrayBuffer());
}

function drawAxis(context: CanvasRenderingContext2D, image: HeatmapImage, side: "rows" | "columns"): void {
  const { axis, room } = image[side];
  const isRows = side === "rows";
  const write = (text: string, at: number): void => {
    context.textAlign = isRows ? "right" : "center";
    context.textBaseline = isRows ? "middle" : "alphabetic";
    if (isRows) context.fillText(text, margin.left - 8, margin.top + at, margin.left - 12);
    else context.fillText(text, margin.left + at, margin.top - 8);
  };
  const ticks = ticksAlong(axis, image.isGiven, room, isRows ? 30 : 44);
  for (const { text, at } of ticks) write(text, at);
  if (ticks.length > 0) return;
  for (const { group, from, to } of groupsAlong(axis, room)) {
    if (to - from >= (isRows ? 14 : 40)) write(group.label, (from + to) / 2);
  }
}

function drawLegend(
  context: CanvasRenderingContext2D,
  { scale, table }: NonNullable<HeatmapImage["colours"]>,
  { width, height }: Size,
): void {
  const top = margin.top + height + 16;
  const length = Math.min(320, width);
  for (let x = 0; x < length; x++) {
    context.fillStyle = colourAt(table, x / (length - 1));
    context.fillRect(margin.left + x, top, 1, 10);
  }
  context.fillStyle = canvasTheme().muted;
  context.textAlign = "center";
  context.textBaseline = "alphabetic";
  if (scale.kind !== "linear") context.fillText("log", margin.left + length + 20, top + 9);
  for (const { value, position } of ticksOf(scale)) {
    context.fillText(formatTick(value), margin.left + position * length, top + 26);
  }
}
