import { h, type Child } from "../dom";
import { formatShare } from "../format";
import { bar } from "../widgets";
import type { KernelViewShown } from "./view-shown";
import { csvFile } from "./csv";

/** Each parameter's part of the kernel; pressing one shows its kernel alone. */
export function layerSection({ source, whole, other, showPart, save }: KernelViewShown): Child {
  const { layers } = whole;
  const shown = source.info.part?.parameter ?? null;
  if (layers.length === 0) return null;
  const largest = Math.max(...layers.map(({ share }) => share));
  const row = (parameter: string | null, name: string, share: number): Child =>
    h(
      "li",
      { key: name },
      h(
        "button",
        {
          type: "button",
          "aria-pressed": shown === parameter ? "true" : "false",
          disabled: other !== null,
          on: { click: () => showPart(shown === parameter ? null : parameter) },
        },
        h("span", { class: "array-name" }, name),
        parameter === null ? h("span", {}) : bar(largest > 0 ? Math.max(0, share) / largest : 0),
        h("span", { class: "number" }, formatShare(share)),
      ),
    );
  return h(
    "section",
    { key: "layers", class: "section kernel-section", "aria-labelledby": "kernel-layers" },
    h(
      "div",
      { class: "kernel-caption" },
      h("h2", { id: "kernel-layers" }, "Layers"),
      h(
        "button",
        {
          class: "link",
          type: "button",
          "aria-label": "Save shares of layers as a table, CSV",
          on: {
            click: () =>
              save({
                name: "layers.csv",
                content: csvFile(
                  ["parameter", "share"],
                  layers.map(({ parameter, share }) => [parameter, share]),
                ),
              }),
          },
        },
        "CSV",
      ),
    ),
    h("p", { class: "note" }, "Each parameter’s part of the kernel’s trace. Press one to compute its kernel alone."),
    h(
      "ul",
      { class: "kernel-layers hue-1" },
      row(null, "Whole kernel", 1),
      ...layers.map(({ parameter, share }) => row(parameter, parameter, share)),
    ),
  );
}
