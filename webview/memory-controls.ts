import type { Analysis } from "../sidecar/protocol/analysis";
import { formatBytes, formatMany } from "../sidecar/protocol/text";
import { h, type Child, type Node_ } from "./dom";
import { batchStops, deviceGroups, nearestStop, remainingTrial, triedOf, type Trial } from "./trial";
import type { ViewContext } from "./view";
import { button } from "./widgets";

/** What is played with: the number of examples and the device. The settings stay as they are until they are told. */
export function memoryControls(analysis: Analysis, context: ViewContext): Node_ {
  return h(
    "div",
    { key: "controls", class: "controls" },
    examplesControl(analysis, context),
    deviceControl(analysis, context),
    trialLine(analysis, context),
  );
}

function tryOut({ state, memory, remember }: ViewContext, change: Trial): void {
  remember({ trial: remainingTrial({ ...memory.trial, ...change }, state) });
}

function examplesControl(analysis: Analysis, context: ViewContext): Node_ {
  const { state, memory } = context;
  const { batch } = triedOf(state, analysis, memory);
  const coupled = analysis.model.examplesCoupled;
  const stops = batchStops(state.batch);
  const at = nearestStop(stops, batch);
  return h(
    "div",
    { class: "control examples-control" },
    h(
      "div",
      { class: "control-head" },
      h("label", { for: "try-batch" }, "Examples"),
      h("output", { for: "try-batch" }, formatMany(batch, "example")),
    ),
    h("input", {
      id: "try-batch",
      type: "range",
      min: 0,
      max: stops.length - 1,
      step: 1,
      ".value": String(at),
      disabled: coupled,
      "aria-valuetext": formatMany(batch, "example"),
      "aria-describedby": coupled ? "coupled-note" : null,
      variables: { "--part": (at / (stops.length - 1)).toFixed(4) },
      on: {
        input: (event) => tryOut(context, { batch: stops[Number((event.target as HTMLInputElement).value)] }),
      },
    }),
    coupled
      ? h(
          "div",
          { id: "coupled-note", class: "note scale" },
          "Fixed: the examples of a batch depend on one another in this model, so that it is planned for the batch it was evaluated for.",
        )
      : h(
          "div",
          { class: "note scale", "aria-hidden": "true" },
          h("span", {}, "1"),
          h("span", {}, stops.at(-1)!.toLocaleString("en")),
        ),
  );
}

function deviceControl(analysis: Analysis, context: ViewContext): Node_ {
  const { state, memory } = context;
  const { device } = triedOf(state, analysis, memory);
  const settled = state.device ?? analysis.device;
  return h(
    "div",
    { class: "control device-control" },
    h("div", { class: "control-head" }, h("label", { for: "try-device" }, "Device")),
    h(
      "select",
      {
        id: "try-device",
        on: { change: (event) => tryOut(context, { device: (event.target as HTMLSelectElement).value }) },
      },
      ...deviceGroups(state.devices, settled).map(({ title, devices }) =>
        h(
          "optgroup",
          { key: title, label: title },
          ...devices.map(({ name, memoryBytes }) =>
            h(
              "option",
              { key: name, value: name, ".selected": name === device.name },
              // Known cards have their memory in their names
              /\d ?GB$/.test(name) ? name : `${name} · ${formatBytes(memoryBytes)}`,
            ),
          ),
        ),
      ),
    ),
    h(
      "div",
      { class: "note scale" },
      device.reservedBytes
        ? `${formatBytes(device.memoryBytes)}, of which ${formatBytes(device.reservedBytes)} ${
            device.name.startsWith("Apple") ? "are not for the GPU" : "are the driver’s"
          }`
        : formatBytes(device.memoryBytes),
    ),
  );
}

/** Always there, so that nothing moves when a trial begins. */
function trialLine(analysis: Analysis, context: ViewContext): Node_ {
  const { state, memory, post, remember } = context;
  const { batch, device, isOtherBatch, isOtherDevice } = triedOf(state, analysis, memory);
  const settled = state.device ?? analysis.device;
  if (!isOtherBatch && !isOtherDevice) {
    return h(
      "div",
      { key: "trial", class: "trial note" },
      h(
        "span",
        { class: "trial-text" },
        "This is what the settings say. Try other numbers and devices: nothing is changed until you say so.",
      ),
    );
  }
  const examples = formatMany(batch, "example");
  const differences: Child[] = [];
  if (isOtherBatch) differences.push(h("b", {}, examples), ` instead of ${formatMany(state.batch, "example")}`);
  if (isOtherBatch && isOtherDevice) differences.push(", ");
  if (isOtherDevice) differences.push(h("b", {}, device.name), ` instead of ${settled.name}`);
  return h(
    "div",
    { key: "trial", class: "trial is-trial" },
    h("span", { class: "trial-text" }, "On trial: ", ...differences, "."),
    h(
      "span",
      { class: "actions" },
      isOtherBatch ? button(`Use ${examples}`, { onPress: () => post({ type: "setBatch", batch }) }) : null,
      isOtherDevice
        ? button(`Use ${device.name}`, { onPress: () => post({ type: "useDevice", name: device.name }) })
        : null,
      button("Reset", {
        icon: "discard",
        onPress: () => {
          const { batch: _batch, device: _device, ...rest } = memory.trial ?? {};
          remember({ trial: remainingTrial(rest, state) });
        },
      }),
    ),
  );
}
