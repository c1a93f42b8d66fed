import type { KernelInfo, KernelPicture } from "../../sidecar/protocol/ntk";
import { formatCount } from "../../sidecar/protocol/text";
import { h, type Child, type Node_ } from "../dom";
import { button } from "../widgets";
import { blockSection } from "./block-section";
import { controls } from "./controls";
import { entryTable } from "./entry-table";
import { heatmap, type KernelHeatmap } from "./heatmap";
import { layerSection } from "./layer-section";
import { learningSection } from "./learning-section";
import { remembered } from "./parts";
import { formText, progressText } from "./picture-text";
import { formatValue } from "./scale";
import { extentOf, orderOf, whyIncomparable, type KernelSource } from "./source";
import { spectrumSection } from "./spectrum-section";
import type { KernelViewShown } from "./view-shown";
import type { KernelViewState } from "./view-state";
import { framing, whole } from "./viewport";

interface Picture {
  readonly source: KernelSource;
  readonly picture: KernelPicture;
  readonly title: string;
  readonly isDifference: boolean;
}

/** A kernel, or two side by side with their difference: pictures, and all that is known of them. */
export function kernelView(shown: KernelViewShown): Node_ {
  const { source, other, choice, state, save } = shown;
  const { curve } = source.info;
  const pictures = picturesOf(shown);
  const [{ picture }] = pictures;
  state.arrangement(source, picture.order);
  const incomparable = other && whyIncomparable(source.info, other.info);
  return h(
    "div",
    { class: `kernel-view ${pictures.length > 1 ? "several" : "single"}` },
    ...[source, ...(other ? [other] : [])].map(({ info }) => progress(info, other !== null)),
    controls(shown),
    incomparable === null ? null : h("p", { key: "incomparable", class: "callout", role: "status" }, incomparable),
    h(
      "div",
      { key: "pictures", class: "kernel-pictures" },
      ...pictures.map((each) => pictureFigure(each, pictures.length > 1, shown)),
      pictures.length > 1 ? null : aside(shown, picture),
    ),
    pictures.length > 1 ? aside(shown, picture) : null,
    h(
      "div",
      { key: "charts", class: "kernel-charts" },
      ...spectra(source, other).map((info) =>
        remembered(info, [other !== null, save], () => spectrumSection(info, other !== null, save)),
      ),
      curve === null
        ? null
        : remembered(curve, [source.info, choice.time, shown.change, save], () =>
            learningSection(curve, source.info, choice.time, shown),
          ),
    ),
  );
}

function spectra(source: KernelSource, other: KernelSource | null): KernelInfo[] {
  return other === null ? [source.info] : [source.info, other.info];
}

function picturesOf({ source, whole, other, choice, state }: KernelViewShown): Picture[] {
  const areAlike = source.info.title === other?.info.title;
  // Of the same model and examples, what is different comes first
  const titles = (info: KernelInfo): string =>
    areAlike ? `${formText(info)}, ${info.method ?? "not chosen"}: ${info.title}` : info.title;
  const one = (of: KernelSource): Picture => {
    const { view } = choice;
    return {
      source: of,
      picture: { id: of.info.id, view, order: orderOf(choice.order, whole) },
      title: titles(of.info),
      isDifference: false,
    };
  };
  if (other === null) return [one(source)];
  if (whyIncomparable(source.info, other.info) !== null) return [one(source), one(other)];
  return [
    one(source),
    one(other),
    { ...one(state.difference(source, other)), title: "Difference", isDifference: true },
  ];
}

function progress(info: KernelInfo, isOne: boolean): Child {
  const text = progressText(info);
  if (text === null) return null;
  return h(
    "div",
    { key: `progress ${info.id}`, class: `kernel-progress ${info.status}`, role: "status" },
    h(
      "div",
      { class: "meter", "aria-hidden": "true", variables: { "--part": info.fraction.toFixed(4) } },
      h("div", { class: "meter-fill" }),
    ),
    h("span", { class: "note" }, isOne ? `${info.title}: ${text[0].toLowerCase()}${text.slice(1)}` : text),
  );
}

function pictureFigure(
  { source, picture, title, isDifference }: Picture,
  isOne: boolean,
  shown: KernelViewShown,
): Node_ {
  const { choice, state, save } = shown;
  const exportPng = (event: Event): void => {
    const element = (event.currentTarget as Element).closest("figure")!.querySelector<KernelHeatmap>("kernel-heatmap")!;
    void element.savePng((content) => save({ name: `${fileTitle(source.info)}.png`, content }));
  };
  return h(
    "figure",
    { key: source.info.id, class: "kernel-figure" },
    h(
      "figcaption",
      { class: "kernel-caption" },
      isOne ? h("h2", {}, title) : null,
      h(
        "button",
        {
          class: "link",
          type: "button",
          "aria-label": isOne ? `Save the picture of ${title} as PNG` : "Save the picture as PNG",
          on: { click: exportPng },
        },
        "PNG",
      ),
    ),
    heatmap("heatmap", {
      source,
      picture,
      logarithmic: choice.logarithmic,
      gaze: state.gaze,
      entries: state.entries,
      common: isOne && !isDifference,
      centred: isDifference,
    }),
    entryTable("entries", {
      source,
      picture,
      gaze: state.gaze,
      title: isOne ? `Entries of ${isDifference ? "the difference" : title}` : "Entries as a table",
    }),
  );
}

/** `residual-net.ts kernel`: for the names of files. */
function fileTitle({ title }: KernelInfo): string {
  return `${title.replaceAll(/[^\w.-]+/g, "-")}-kernel`;
}

/** What is selected, the block of the pair, and the layers: beside one picture, below several. */
function aside(shown: KernelViewShown, picture: KernelPicture): Node_ {
  const { source, state } = shown;
  return h(
    "div",
    { key: "aside", class: "kernel-aside" },
    selectionSection(shown, picture),
    blockSection(source.info, state.block(source, picture), shown),
    layerSection(shown),
  );
}

function selectionSection(shown: KernelViewShown, picture: KernelPicture): Child {
  const { source, state, saveSelection } = shown;
  const { gaze } = state;
  const { selection, viewport } = gaze.now;
  const extent = extentOf(source.info);
  const reset =
    viewport !== null && viewport.zoom > 1
      ? button("Show All", { icon: "screen-full", onPress: () => gaze.change({ viewport: whole(extent) }) })
      : null;
  if (selection === null) return reset && h("div", { key: "selection", class: "kernel-selection" }, reset);
  const summary = state.summary(source, picture);
  const arrangement = state.arrangement(source, picture.order);
  const pairs = `${formatCount(selection.bottom - selection.top)} × ${formatCount(selection.right - selection.left)} pairs selected`;
  const stage = (): { width: number; height: number } => {
    const { clientWidth: width, clientHeight: height } = document.querySelector(".kernel-stage")!;
    return { width, height };
  };
  return h(
    "section",
    { key: "selection", class: "kernel-selection", "aria-label": "Selection" },
    h("h2", {}, pairs),
    typeof summary === "string"
      ? h("p", { class: "note", role: "status" }, summary)
      : h("p", { class: "note", role: "status" }, summary === null ? "Summing up…" : summaryText(summary)),
    h(
      "div",
      { class: "kernel-buttons" },
      button("Zoom In", {
        icon: "zoom-in",
        onPress: () => gaze.change({ viewport: framing(selection, extent, stage()) }),
      }),
      button("Save Entries…", {
        icon: "save",
        disabled: arrangement === null,
        onPress: () => {
          const { rows, columns } = arrangement!;
          const { id, view } = picture;
          saveSelection({
            id,
            view,
            rows: rows.examples.slice(selection.top, selection.bottom),
            columns: (columns ?? rows).examples.slice(selection.left, selection.right),
          });
        },
      }),
      button("Clear", { label: "Clear the selection", onPress: () => gaze.change({ selection: null }) }),
      reset,
    ),
  );
}

function summaryText({
  mean,
  min,
  max,
  known,
  level,
}: Exclude<ReturnType<KernelViewState["summary"]>, string | null>): string {
  if (mean === null || min === null || max === null) return "None of them is known yet.";
  const side = 2 ** level;
  const of = level > 0 ? ` Of means of ${side} × ${side} pairs.` : "";
  const part = known < 1 ? ` ${Math.floor(100 * known)}% are known.` : "";
  return `Mean ${formatValue(mean)}, from ${formatValue(min)} to ${formatValue(max)}.${of}${part}`;
}
