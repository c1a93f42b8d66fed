import { beforeAll, describe, expect, it } from "vitest";
import { trackPeak } from "../../bench/lib/tfjs-memory";
import { createTensorFlowEngine } from "../../sidecar/engines/tensorflow";
import { tensorflowPeakBytes } from "../../sidecar/engines/tensorflow/memory";
import { argumentsOf } from "../../sidecar/graph/graph";
import { jacobianGraph, type Strategy } from "../../sidecar/quantities/jacobian";
import { TfjsOpaqueHost } from "../../sidecar/sources/tfjs/opaque";
import { BATCH, loadNet, nets, type Loaded } from "../jacobian/whole-nets";
import { tfjsNode } from "../tools";

/** What lowerings hold on paper is what TensorFlow.js lists while it runs them. */

const ways: [Strategy, number | null][] = [
  ["jacrev", null],
  ["jacrev", 2],
  ["vmap(jacrev)", null],
  ["vmap(jacrev)", 2],
  ["vmap(jacfwd)", null],
  ["vmap(jacfwd)", 7],
  ["grad-loop", null],
];

describe.skipIf(tfjsNode === undefined)("on paper, TensorFlow.js", () => {
  const loaded: Loaded[] = [];
  let engine: ReturnType<typeof createTensorFlowEngine>;
  let tracked: ReturnType<typeof trackPeak>;

  beforeAll(async () => {
    for (const net of nets) loaded.push(await loadNet(net));
    engine = createTensorFlowEngine({ packageDir: tfjsNode ?? "" });
    tracked = trackPeak();
  });

  it.each(nets.map(({ name }, index) => ({ name, index })))("holds what it really holds: $name", async ({ index }) => {
    const { model, inputs, wrt } = loaded[index];
    for (const [strategy, chunk] of ways) {
      const { graph } = jacobianGraph(model.graph, { strategy, chunk, batch: BATCH, wrt, coupled: false });
      const before = tracked.restart();
      const executable = await engine.compile(graph, { opaque: new TfjsOpaqueHost() });
      const values = argumentsOf(graph).map(({ name }, position) => inputs[position] ?? model.weights[name]);
      await executable.run(values);
      const measured = tracked.peak() - before;
      await executable.dispose();
      // Small as these are, shapes and axes that TensorFlow.js passes as arrays count too
      const predicted = tensorflowPeakBytes(graph);
      expect(Math.abs(predicted - measured), `${strategy} ${chunk}`).toBeLessThan(256 + 0.01 * measured);
    }
  });
});
