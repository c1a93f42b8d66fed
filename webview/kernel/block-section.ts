import type { KernelInfo } from "../../sidecar/protocol/ntk";
import { h, type Child } from "../dom";
import { barUnder, blockPicture, cellUnder, hasBlocks, outputBars } from "./block";
import { chart } from "./chart";
import { chartSection, chartTable } from "./parts";
import { formatValue } from "./scale";
import { columnsOf, exampleText } from "./source";
import { canvasTheme } from "./theme";
import type { KernelViewShown } from "./view-shown";
import type { PairBlock } from "./view-state";

const hint = "Point at a pair to see how its outputs move one another; click to keep it.";

const title = "Outputs of the pair";

/** The outputs of the pair that is pointed at or kept. */
export function blockSection(
  info: KernelInfo,
  shown: PairBlock | null,
  { change, save }: Pick<KernelViewShown, "change" | "save">,
): Child {
  if (!hasBlocks(info)) return null;
  if (shown === null) return emptySection(hint);
  const { pair, block } = shown;
  if (!(block instanceof Float32Array)) return emptySection(block ?? "Not known yet.");
  const { outputs, form } = info;
  const isFull = form === "full";
  const rows = [...block].map((value, at) => [...(isFull ? [Math.floor(at / outputs), at % outputs] : [at]), value]);
  const head = isFull ? ["output of the row", "output of the column", "kernel"] : ["output", "kernel"];
  return chartSection(
    { name: "block", title, save, head, rows: () => rows },
    h("p", { class: "note" }, `${exampleText(info.x1, pair.row)} and ${exampleText(columnsOf(info), pair.column)}`),
    chart(
      "block-chart",
      (width, pointer) =>
        isFull ? blockPicture(block, outputs, canvasTheme(), width, pointer) : outputBars(block, width, pointer),
      (width, pointer) => {
        if (isFull) {
          const view = cellUnder(outputs, width, pointer);
          if (view !== null) change({ view });
        } else {
          const output = barUnder(outputs, width, pointer);
          if (output !== null) change({ view: { row: output, column: output } });
        }
      },
    ),
    h("p", { class: "note" }, "Press one to see it for all pairs of examples; Outputs, above, does so too."),
    chartTable(
      "Outputs as a table",
      head.map((text) => `${text[0].toUpperCase()}${text.slice(1)}`),
      rows.map((row) => row.map((value, at) => (at === row.length - 1 ? formatValue(value) : String(value)))),
    ),
  );
}

function emptySection(text: string): Child {
  return h(
    "section",
    { key: "block", class: "section kernel-section block", "aria-labelledby": "kernel-block" },
    h("h2", { id: "kernel-block" }, title),
    h("p", { class: "note kernel-room" }, text),
  );
}
