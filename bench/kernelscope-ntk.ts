import { dirname } from "node:path";
import { pickEngine } from "../sidecar/engines";
import type { Executable } from "../sidecar/engines/engine";
import { argumentsOf, type Graph } from "../sidecar/graph/graph";
import type { Tensor } from "../sidecar/graph/tensor";
import { range, sizeOf } from "../sidecar/graph/types";
import { planTiles, type NtkSubject } from "../sidecar/planner/ntk";
import { ntkGraph, type NtkMethod } from "../sidecar/quantities/ntk";
import { loadModel } from "../sidecar/sources";
import { TfjsOpaqueHost } from "../sidecar/sources/tfjs/opaque";
import { placeOfEngine } from "../sidecar/worker/memory";
import { contend } from "./lib/measure";
import { kernelModelOf } from "./lib/ntk-cases";
import { AUTO } from "./lib/ntk-contenders";
import { readKernelData } from "./lib/ntk-data";
import type { KernelTask } from "./lib/protocol";

/**
 * A kernel in the tiles in which the worker process computes it (sidecar/worker/ntk.ts), which are kept instead of written.
 * The first call compiles.
 */

/** The worker's, where no other memory is asked for. */
const TILE_MEMORY = 1 << 30;

interface Span {
  readonly start: number;
  readonly count: number;
}

void contend(async (task) => {
  const { case: name, batch: rows, columns, engine: asked, form, method, threads, data } = task as KernelTask;
  const model = await loadModel({ ...kernelModelOf(name), batch: Math.min(rows, 2) });
  const arrays = readKernelData(data);
  // By their order: names that TensorFlow.js makes up count on where a process has loaded other models before
  const names = [...model.parameters, ...model.graph.buffers].map((member) => member.name);
  const given = [...arrays].filter(([key]) => key.includes(":")).map(([, array]) => array);
  const weightOf = (weight: string): Tensor => given[names.indexOf(weight)];
  const first = arrays.get("x1")!;
  const second = arrays.get("x2") ?? first;
  const wrt = model.parameters.filter(({ trainable }) => trainable).map((parameter) => parameter.name);
  const subject: NtkSubject = { graph: model.graph, wrt, form, trace: "sum", rows, columns };

  const { engine, name: engineName } = await pickEngine(asked, model.graph, {
    folders: [dirname(model.file)],
    threads,
  });
  const place = placeOfEngine(engine, engineName);
  const memoryBytes = Math.min(place.memoryBytes - place.reservedBytes, TILE_MEMORY);
  const wanted = method === AUTO ? null : (method as NtkMethod);
  const tiled = planTiles(subject, wanted, { ...place, memoryBytes, reservedBytes: 0 });
  if (tiled === null) throw new Error("a single pair of examples takes more than a tile may");
  const { method: chosen, tile } = tiled;

  const compiled = new Map<string, { graph: Graph; executable: Executable }>();
  const compiledFor = async (down: number, across: number | null) => {
    const key = `${down} ${across}`;
    const known = compiled.get(key);
    if (known !== undefined) return known;
    const norms = chosen !== "vector-products";
    const options = { form, trace: "sum", method: chosen, rows: down, columns: across, wrt, norms } as const;
    const { graph } = ntkGraph(model.graph, options);
    const fixed = new Map(
      [...graph.parameters, ...graph.buffers].map((member) => [member.value, weightOf(member.name)]),
    );
    const made = { graph, executable: await engine.compile(graph, { opaque: new TfjsOpaqueHost(), fixed }) };
    compiled.set(key, made);
    return made;
  };

  const spansOf = (count: number): Span[] =>
    range(Math.ceil(count / tile)).map((index) => {
      return { start: index * tile, count: Math.min(tile, count - index * tile) };
    });
  const [down, across] = [spansOf(rows), spansOf(columns ?? rows)];
  const isSymmetric = columns === null;
  // Of two tiles that mirror each other one is computed
  const pairs = down.flatMap((row, index) => {
    return across.slice(isSymmetric ? index : 0).map((column) => ({ row, column }));
  });

  return async () => {
    const tiles: { values: Float32Array; times: number }[] = [];
    for (const { row, column } of pairs) {
      const isOwn = isSymmetric && row.start === column.start;
      const { graph, executable } = await compiledFor(row.count, isOwn ? null : column.count);
      const values = argumentsOf(graph).map((member, index) => {
        if (index >= graph.inputs.length) return weightOf(member.name);
        return member.name.endsWith("'") ? part(second, column) : part(first, row);
      });
      const [kernel] = await executable.run(values);
      tiles.push({ values: kernel.data as Float32Array, times: isSymmetric && !isOwn ? 2 : 1 });
    }
    return {
      elements: tiles.reduce((sum, { values, times }) => sum + times * values.length, 0),
      checksum: () => tiles.reduce((sum, { values, times }) => sum + times * sumOfAbsolutes(values), 0),
      manner: `${method === AUTO ? `${chosen}, ` : ""}${pairs.length} ${pairs.length === 1 ? "tile" : "tiles"}`,
    };
  };
});

/** Some of the examples, without a copy. */
function part({ shape, dtype, data }: Tensor, { start, count }: Span): Tensor {
  const size = sizeOf(shape.slice(1));
  return { shape: [count, ...shape.slice(1)], dtype, data: data.subarray(start * size, (start + count) * size) };
}

function sumOfAbsolutes(values: Float32Array): number {
  let sum = 0;
  for (const value of values) sum += Math.abs(value);
  return sum;
}
