import { formatBytes, formatCount, formatShape, formatMany } from "../../sidecar/protocol/text";
import type { Analysis, DeviceInfo } from "../../sidecar/protocol/analysis";
import { h, type Node_ } from "../dom";
import { fitOf } from "../fit";
import { ntkSizes, type NtkForm } from "../ntk-forms";
import type { View, ViewContext } from "../view";
import { computeButton, kernelsSection } from "./kernels";
import { fitMeter, icon, section } from "../widgets";

/** The neural tangent kernels of the model that were computed; the shapes and sizes that it has, and what computing it takes. */
export const ntk: View = {
  id: "ntk",
  title: "NTK",
  needsAnalysis: true,
  badge: ({ kernels, state }) => kernels.of(state.model).length,
  render: (analysis, context) => {
    const computed = kernelsSection(context);
    if (computed === null) {
      return h(
        "div",
        { class: "ntk" },
        h("div", { key: "compute", class: "kernel-buttons" }, computeButton(context.post, true)),
        forms(analysis, context),
      );
    }
    return h(
      "div",
      { class: "ntk" },
      computed,
      h("details", { key: "forms" }, h("summary", {}, "Forms, shapes and sizes"), forms(analysis, context)),
    );
  },
};

function forms(analysis: Analysis, { state }: ViewContext): Node_ {
  const device = state.device ?? analysis.device;
  const sizes = ntkSizes(analysis);
  const { examples, outputs, dtype, jacobian } = sizes;
  const fit = fitOf(jacobian.bytes, device);
  return h(
    "div",
    { key: "plan", class: "ntk-plan" },
    h(
      "p",
      { class: "lead" },
      `The kernel between ${formatMany(examples, "example")} and themselves (N = ${formatCount(examples)}), `,
      `with ${formatMany(outputs, "output")} each (C = ${formatCount(outputs)}), in ${dtype}.`,
    ),
    analysis.model.examplesCoupled
      ? h(
          "p",
          { class: "callout" },
          icon("warning"),
          h(
            "span",
            {},
            "The examples of a batch depend on one another in this model, so an entry between two examples belongs to the whole batch they are in: other examples beside them change it.",
          ),
        )
      : null,
    h("ul", { class: "forms" }, ...sizes.forms.map((form) => formCard(form, device))),
    section(
      "contraction",
      "What contraction needs",
      h(
        "p",
        {},
        "The direct way multiplies the explicit Jacobian ",
        h("span", { class: "shape" }, formatShape(jacobian.shape)),
        ` with itself. It takes ${formatBytes(jacobian.bytes)}, and as much again for a second set of examples.`,
      ),
      fitMeter(fit, "The explicit Jacobian's part of the device's memory"),
      h(
        "p",
        { class: fit.fits ? "fit" : "fit over" },
        icon(fit.fits ? "pass" : "error"),
        `That is ${fit.text} (${device.name}, ${formatBytes(device.memoryBytes)}).`,
      ),
    ),
  );
}

const meanings: Record<NtkForm["name"], string> = {
  full: "How a training step on any output of one example moves any output of another.",
  diagonal: "How a training step on an output of one example moves the same output of another; outputs do not mix.",
  trace: "The diagonal summed over outputs: one number for how alike the model finds two examples.",
};

const titles: Record<NtkForm["name"], string> = { full: "Full", diagonal: "Diagonal", trace: "Trace" };

function formCard({ name, axes, shape, bytes }: NtkForm, device: DeviceInfo): Node_ {
  const fit = fitOf(bytes, device);
  return h(
    "li",
    { key: name, class: "form" },
    picture(name),
    h(
      "div",
      { class: "form-text" },
      h("h2", {}, titles[name], " ", h("span", { class: "axes" }, axes)),
      h("div", { class: "value shape" }, formatShape(shape)),
      h("div", { class: "note" }, formatBytes(bytes)),
    ),
    h("p", {}, meanings[name]),
    h("p", { class: fit.fits ? "fit" : "fit over" }, icon(fit.fits ? "pass" : "error"), fit.text),
  );
}

/** Three by three examples, each pair of them a block of three by three outputs: which entries the form keeps. */
function picture(name: NtkForm["name"]): Node_ {
  const side = [0, 1, 2];
  const blocks = side.flatMap((row) => side.map((column) => ({ x: column * 16, y: row * 16 })));
  const entries = blocks.flatMap(({ x, y }) => {
    if (name === "trace") return [h("rect", { x: x + 1, y: y + 1, width: 13, height: 13, rx: 1.5 })];
    return side.flatMap((i) =>
      side
        .filter((j) => name === "full" || i === j)
        .map((j) => h("rect", { x: x + 1 + j * 4.5, y: y + 1 + i * 4.5, width: 4, height: 4, rx: 0.5 })),
    );
  });
  const frames = blocks.map(({ x, y }) => h("rect", { class: "frame", x, y, width: 15, height: 15, rx: 2 }));
  return h("svg", { class: "picture", viewBox: "-0.5 -0.5 48 48", "aria-hidden": "true" }, ...frames, ...entries);
}
