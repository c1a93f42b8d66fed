import type { JacobianSummary, NtkSummary } from "../../sidecar/protocol/messages";
import type { PanelState, RunState } from "../../sidecar/protocol/panel";
import { formatBytes, formatCount, formatShape, formatMany } from "../../sidecar/protocol/text";
import { h, type Child, type Node_ } from "../dom";
import { fileName, formatSeconds } from "../format";
import type { View, ViewContext } from "../view";
import { button, cell, icon, table } from "../widgets";

/** What was computed of this model, the newest first, and what is being computed. */
export const runs: View = {
  id: "runs",
  title: "Runs",
  needsAnalysis: false,
  badge: ({ state }) => runsOf(state).filter(({ status }) => status === "running").length,
  render: (context) => {
    const own = runsOf(context.state);
    if (own.length === 0) {
      return h(
        "div",
        { class: "empty" },
        icon("graph"),
        h("h2", {}, "Nothing computed yet"),
        h(
          "p",
          {},
          "Compute Jacobian… runs the model on examples and writes the derivatives to an .npz file; Compute NTK… shows the kernel. Their progress and results are listed here.",
        ),
      );
    }
    return h("ul", { class: "runs" }, ...own.map((run) => runCard(run, context)));
  },
};

function runsOf({ runs: all, model }: PanelState): RunState[] {
  return all
    .filter((run) => run.model.uri === model.uri && run.model.export === model.export)
    .sort((a, b) => b.started.localeCompare(a.started));
}

const looks: Record<RunState["status"], { readonly icon: string; readonly text: string }> = {
  running: { icon: "loading", text: "Running" },
  done: { icon: "pass", text: "Done" },
  cancelled: { icon: "circle-slash", text: "Cancelled" },
  failed: { icon: "error", text: "Failed" },
};

function runCard(run: RunState, { post, remember }: ViewContext): Node_ {
  const { id, title, status, started, result, message } = run;
  const look = looks[status];
  return h(
    "li",
    { key: id, class: `run ${status}` },
    h(
      "div",
      { key: "head", class: "run-head" },
      icon(look.icon),
      h(
        "div",
        { class: "run-title" },
        h("h2", {}, title),
        h("div", { class: "note" }, `${look.text} · `, h("time", { datetime: started }, startTime(started))),
      ),
      h(
        "div",
        { class: "actions" },
        status === "running"
          ? button("Cancel", { icon: "stop-circle", onPress: () => post({ type: "cancel", run: id }) })
          : null,
        result?.kind === "ntk"
          ? button("Show Kernel", {
              icon: "graph",
              onPress: () => remember({ view: "ntk", kernel: result.summary.kernel, part: null, beside: null }),
            })
          : null,
        result?.kind === "jacobian"
          ? button("Open Result", { icon: "go-to-file", onPress: () => post({ type: "openResult", run: id }) })
          : null,
      ),
    ),
    status === "running" ? progress(run) : null,
    message === null ? null : h("p", { key: "message", class: "message" }, message),
    result === null ? null : result.kind === "jacobian" ? summaryOf(result.summary, run) : kernelFacts(result.summary),
  );
}

function progress({ title, fraction }: RunState): Node_ {
  const percent = Math.round(fraction * 100);
  return h(
    "div",
    { key: "progress", class: "run-progress" },
    h("vscode-progress-bar", { value: percent, "aria-label": title, indeterminate: fraction <= 0 }),
    h("span", { class: "number" }, `${percent}%`),
  );
}

function startTime(started: string): string {
  return new Date(started).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
}

function fact(term: string, ...value: readonly Child[]): Node_ {
  return h("div", {}, h("dt", {}, term), h("dd", {}, ...value));
}

function kernelFacts({ shape, form, trace, method, engine, device, seconds, measuredPeakBytes }: NtkSummary): Node_ {
  return h(
    "dl",
    { key: "facts", class: "facts" },
    fact("Shape", h("span", { class: "shape" }, formatShape(shape))),
    fact("Form", trace === null ? form : `${form} (${trace})`),
    fact("Time", formatSeconds(seconds)),
    fact("Method", method),
    fact("Engine", engine),
    fact("Device", device),
    fact("Measured peak", formatBytes(measuredPeakBytes)),
  );
}

function summaryOf(summary: JacobianSummary, { id, out }: RunState): Child {
  const { shape, strategy, chunk, batch, engine, device, seconds, measuredPeakBytes, blocks } = summary;
  return [
    h(
      "dl",
      { key: "facts", class: "facts" },
      fact("Shape", h("span", { class: "shape" }, formatShape(shape))),
      fact("Examples", formatCount(batch)),
      fact("Time", formatSeconds(seconds)),
      fact("Strategy", chunk === null ? strategy : `${strategy}, chunks of ${formatCount(chunk)}`),
      fact("Engine", engine),
      fact("Device", device),
      fact("Measured peak", formatBytes(measuredPeakBytes)),
      fact("File", h("span", { title: out }, fileName(out))),
    ),
    h(
      "details",
      { key: "blocks" },
      h("summary", {}, formatMany(blocks.length, "block")),
      table(
        `Blocks of ${id}`,
        "block-table",
        h(
          "div",
          { role: "row", class: "row head" },
          ...["Name", "Shape", "Type"].map((title) => h("div", { role: "columnheader" }, title)),
        ),
        ...blocks.map((block) =>
          h(
            "div",
            { role: "row", class: "row" },
            cell("name", block.name),
            cell("shape", formatShape(block.shape)),
            cell("dtype", block.dtype),
          ),
        ),
      ),
    ),
  ];
}
