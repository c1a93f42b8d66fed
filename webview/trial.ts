import type { Analysis, DeviceInfo } from "../sidecar/protocol/analysis";
import type { PanelMemory, PanelState } from "../sidecar/protocol/panel";

/** What is being tried out in the memory view, beside what the settings say. */

export type Trial = NonNullable<PanelMemory["trial"]>;

export interface Tried {
  readonly batch: number;
  readonly device: DeviceInfo;
  /** Whether these are not what the settings say. */
  readonly isOtherBatch: boolean;
  readonly isOtherDevice: boolean;
}

export function triedOf(state: PanelState, analysis: Analysis, { trial }: PanelMemory): Tried {
  const settled = state.device ?? analysis.device;
  const device =
    trial?.device === undefined || trial.device === settled.name
      ? settled
      : (state.devices.find(({ name }) => name === trial.device) ?? settled);
  // Examples that are coupled are planned for as many as the model was evaluated for
  const batch = analysis.model.examplesCoupled ? analysis.batch : (trial?.batch ?? state.batch);
  return {
    batch,
    device,
    isOtherBatch: !analysis.model.examplesCoupled && batch !== state.batch,
    isOtherDevice: device !== settled,
  };
}

/** What of a trial is still one: what the settings say by now is no more. */
export function remainingTrial(trial: Trial | undefined, state: PanelState): Trial | undefined {
  if (trial === undefined) return undefined;
  const { batch, device, ...rest } = trial;
  const left = {
    ...rest,
    ...(batch === undefined || batch === state.batch ? {} : { batch }),
    ...(device === undefined || device === state.device?.name ? {} : { device }),
  };
  return Object.keys(left).length === 0 ? undefined : left;
}

/**
 * Numbers of examples that a slider stops at: nearly logarithmic, with two digits, and the powers of two and the settings'
 * own number between them.
 */
export function batchStops(batch: number): number[] {
  const most = Math.max(4096, 8 * batch);
  const stops = new Set([batch, most]);
  for (let power = 1; power <= most; power *= 2) stops.add(power);
  for (let stop = 1; stop < most;) {
    stops.add(stop);
    const decade = 10 ** Math.floor(Math.log10(stop) + 1e-9);
    stop += Math.max(1, stop < 5 * decade ? decade / 10 : decade / 5);
  }
  return [...stops].sort((a, b) => a - b);
}

/** The position of the stop that is nearest to a number of examples. */
export function nearestStop(stops: readonly number[], batch: number): number {
  let nearest = 0;
  for (let at = 1; at < stops.length; at++) {
    if (Math.abs(stops[at] - batch) < Math.abs(stops[nearest] - batch)) nearest = at;
  }
  return nearest;
}

export interface DeviceGroup {
  readonly title: string;
  readonly devices: readonly DeviceInfo[];
}

/** All that can be chosen from. The settings' device is among them, with the memory that the settings give it. */
export function deviceGroups(devices: readonly DeviceInfo[], settled: DeviceInfo): DeviceGroup[] {
  const all = devices.some(({ name }) => name === settled.name)
    ? devices.map((device) => (device.name === settled.name ? settled : device))
    : [settled, ...devices];
  return [
    { title: "This machine", devices: all.filter(({ detected }) => detected) },
    { title: "Other devices", devices: all.filter(({ detected }) => !detected) },
  ].filter((group) => group.devices.length > 0);
}
