import type { ModelState } from "../sidecar/protocol/messages";
import { areRequired } from "../sidecar/protocol/options";
import { h, type Node_ } from "./dom";
import type { ViewContext } from "./view";
import { button, icon } from "./widgets";

/** What a view shows before there is an analysis: what will be done, and the button that does it. */
export function emptyState({ state, post }: ViewContext): Node_ {
  const { model, trusted, running } = state;
  const untrusted = !trusted && model.kind !== "saved";
  const evaluating = model.activity === "evaluating";
  return h(
    "div",
    { class: "empty" },
    icon(evaluating ? "loading" : untrusted ? "shield" : "beaker"),
    h("h2", {}, evaluating ? "Evaluating the model" : untrusted ? "This workspace is not trusted" : "No analysis yet"),
    h(
      "p",
      {},
      untrusted ? "Kernelscope runs a model's code to learn its shapes. In Restricted Mode it does not." : hint(model),
    ),
    untrusted
      ? button("Manage Trust", {
          icon: "shield",
          primary: true,
          onPress: () => post({ type: "command", command: "trust" }),
        })
      : button("Analyze", {
          icon: "play",
          primary: true,
          disabled: evaluating || !running,
          onPress: () => post({ type: "command", command: "analyze" }),
        }),
  );
}

/** What an analysis of this kind of model takes. */
export function hint({ kind, takes, inputs, export: name }: ModelState): string {
  const call = `${name ?? "the function"}(${takes.join(", ")})`;
  switch (kind) {
    case "class":
    case "factory": {
      const asked = [...(areRequired(takes) ? ["arguments"] : []), ...(areRequired(inputs) ? ["input shapes"] : [])];
      return asked.length > 0
        ? `${call} makes the model and needs ${asked.join(" and ")}: you are asked for them once, and they are kept.`
        : `${call} is called to make the model; nothing is trained or saved.`;
    }
    case "function":
      return `${call} does not say how large its inputs are: you are asked for their shapes once, and they are kept.`;
    case "saved":
      return "The file is read as it is; no code is run.";
    case "model":
    case "unknown":
      return "The file's code is run once, in a process of its own, to make the model; nothing is trained or saved.";
  }
}
