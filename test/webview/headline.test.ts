import { expect, test } from "vitest";
import { headlineOf } from "../../webview/headline";
import { devices, digitsPlan, strategyOf } from "./states";

const gibibyte = 2 ** 30;

test("what fits is named with all that it takes", () => {
  expect(headlineOf(digitsPlan, true)).toEqual({
    tone: "good",
    text: "vmap(jacrev) takes 2.50 GiB and fits the 24.00 GiB of NVIDIA A10.",
    detail: "For 100 examples: 2.00 GiB of arrays and 512.00 MiB of the engine’s own. 21.00 GiB would be left.",
    fewer: null,
  });
  const chunked = strategyOf("jacrev", [1024], { chunk: 25, recommended: true });
  expect(headlineOf({ ...digitsPlan, strategies: [chunked] }, true).text).toBe(
    "jacrev in chunks of 25 takes 1.00 GiB and fits the 24.00 GiB of NVIDIA A10.",
  );
});

test("where the result alone is too large, chunks do not help", () => {
  const strategy = strategyOf("vmap(jacrev)", [51_200], { fits: false, resultBytes: 40 * gibibyte });
  const plan = { ...digitsPlan, device: devices[2], strategies: [strategy] };
  expect(headlineOf(plan, true)).toEqual({
    tone: "bad",
    text: "Nothing fits the 16.00 GiB of Tesla V100 16GB: the result alone takes 40.00 GiB.",
    detail: "Chunks do not help there. Fewer examples or outputs, or the NTK in place of the Jacobian, would.",
    fewer: 30,
  });
  expect(headlineOf(plan, false)).toMatchObject({
    detail: "Chunks do not help there. Fewer outputs, or the NTK in place of the Jacobian, would.",
    fewer: null,
  });
});

test("where only the computation is, that is said", () => {
  const strategy = strategyOf("grad-loop", [20_480], { fits: false, resultBytes: 15 * gibibyte });
  expect(headlineOf({ ...digitsPlan, device: devices[2], strategies: [strategy] }, true)).toMatchObject({
    text: "Nothing fits the 16.00 GiB of Tesla V100 16GB: the least is 20.00 GiB, of grad-loop.",
    fewer: 75,
  });
});

test("a fault is told as it is", () => {
  const fault = "RotateWithOffset has no derivative.";
  expect(headlineOf({ ...digitsPlan, strategies: [], fault }, true)).toMatchObject({ tone: "bad", text: fault });
});
