import type { Place } from "../sidecar/protocol/analysis";
import { blamesInterpreter } from "../sidecar/protocol/options";
import type { PanelCommand, PanelState } from "../sidecar/protocol/panel";
import { formatSeconds } from "./format";

/** The one line under the title that says whether what is shown can be relied on, and what to do where it cannot. */
export interface Status {
  readonly tone: "good" | "busy" | "neutral" | "warning" | "error";
  readonly icon: string;
  readonly text: string;
  readonly place: Place | null;
  readonly action: { readonly label: string; readonly command: PanelCommand } | null;
}

export function statusOf({ model, trusted, running }: PanelState): Status {
  const status = (
    tone: Status["tone"],
    icon: string,
    text: string,
    { place = null, action = null }: Partial<Pick<Status, "place" | "action">> = {},
  ): Status => ({ tone, icon, text, place, action });
  const shown = model.analysis !== null;

  if (!running) {
    const text = `The sidecar is not running${shown ? ": these are the last results." : "."}`;
    const action = { label: "Restart Sidecar", command: "restartSidecar" } as const;
    return status("error", "error", text, { action });
  }
  if (!trusted && model.kind !== "saved") {
    const text = `Restricted Mode: code is not run until you trust this workspace${shown ? ". These are earlier results." : "."}`;
    return status("warning", "shield", text, { action: { label: "Manage Trust", command: "trust" } });
  }
  if (model.activity === "evaluating") {
    return status("busy", "loading", shown ? "Evaluating. These are the last results." : "Evaluating…");
  }
  if (model.fault !== null) {
    const text = `${model.fault.message}${shown ? " The last results are shown." : ""}`;
    // A model that is no code leaves them open, and has no line to set them from
    const isOpen = model.kind === "saved" && /input shape/i.test(model.fault.message);
    const isOfPython = blamesInterpreter(model.fault.message);
    const action = isOpen
      ? ({ label: "Set Input Shapes…", command: "setInputs" } as const)
      : isOfPython
        ? ({ label: "Choose Python Interpreter…", command: "choosePython" } as const)
        : null;
    return status("error", "error", text, { place: model.fault.source, action });
  }
  switch (model.stale) {
    case "edited":
      return status("warning", "edit", "Edited since: save to refresh.");
    case "failed":
      return status("warning", "warning", "The last evaluation failed: these are the results before it.");
    case "restored":
      return status("warning", "history", "From an earlier session: analyze to refresh.");
    case null:
      break;
  }
  if (!shown) return status("neutral", "circle-large-outline", "Not analyzed yet.");
  const took = model.milliseconds === null ? "" : `, evaluated in ${formatSeconds(model.milliseconds / 1000)}`;
  if (model.activity === "asking-pytorch") {
    return status("busy", "loading", `Up to date${took}. Your PyTorch is being asked what it would do.`);
  }
  return status("good", "pass", `Up to date${took}.`);
}
