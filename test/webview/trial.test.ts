import { expect, test } from "vitest";
import { batchStops, deviceGroups, nearestStop, remainingTrial, triedOf } from "../../webview/trial";
import { devices, digits, model, stateOf } from "./states";

const state = stateOf(digits, { device: devices[0], devices });

test("nothing is on trial but what is chosen", () => {
  const tried = (trial: Parameters<typeof remainingTrial>[0]): unknown => {
    const { batch, device, isOtherBatch, isOtherDevice } = triedOf(state, digits, { model, view: "memory", trial });
    return [batch, device.name, isOtherBatch, isOtherDevice];
  };
  expect(tried(undefined)).toEqual([100, "NVIDIA A10", false, false]);
  expect(tried({ batch: 250, device: "A100 80GB" })).toEqual([250, "A100 80GB", true, true]);
  expect(tried({ device: "gone" })).toEqual([100, "NVIDIA A10", false, false]);
});

test("coupled examples stay as many as were evaluated", () => {
  const coupled = { ...digits, batch: 32, model: { ...digits.model, examplesCoupled: true } };
  const tried = triedOf(state, coupled, { model, view: "memory", trial: { batch: 250 } });
  expect(tried).toMatchObject({ batch: 32, isOtherBatch: false });
});

test("what the settings say by now is no trial any more", () => {
  expect(remainingTrial({ batch: 100, device: "A100 80GB" }, state)).toEqual({ device: "A100 80GB" });
  expect(remainingTrial({ batch: 100, device: "NVIDIA A10" }, state)).toBeUndefined();
  expect(remainingTrial({ batch: 7, strategy: "jacrev", chunk: null }, state)).toEqual({
    batch: 7,
    strategy: "jacrev",
    chunk: null,
  });
});

test("the slider stops at every small number, at round large ones, at powers of two and the settings' own", () => {
  const stops = batchStops(137);
  expect(stops.slice(0, 20)).toEqual(Array.from({ length: 20 }, (_, index) => index + 1));
  expect(stops).toEqual(expect.arrayContaining([64, 100, 137, 250, 1000, 1024, 4096]));
  expect(stops.at(-1)).toBe(4096);
  for (let at = 20; at < stops.length; at++) expect(stops[at] / stops[at - 1]).toBeLessThan(1.11);
  expect(batchStops(1000).at(-1)).toBe(8000);
  expect(stops[nearestStop(stops, 1023)]).toBe(1024);
  expect(nearestStop(stops, 1e6)).toBe(stops.length - 1);
});

test("devices are grouped, and the settings' one has the memory that they give it", () => {
  const names = (groups: ReturnType<typeof deviceGroups>): unknown =>
    groups.map(({ title, devices: own }) => [title, ...own.map(({ name }) => name)]);
  expect(names(deviceGroups(devices, devices[0]))).toEqual([
    ["This machine", "NVIDIA A10", "CPU (2 cores)"],
    ["Other devices", "Tesla V100 16GB", "A100 80GB"],
  ]);
  const smaller = { ...devices[2], memoryBytes: 2 ** 30 };
  expect(deviceGroups(devices, smaller)[1].devices[0]).toBe(smaller);
  expect(names(deviceGroups([], devices[0]))).toEqual([["This machine", "NVIDIA A10"]]);
});
