import type { Builder } from "../graph/builder";
import type { Graph, Value } from "../graph/graph";
import { range } from "../graph/types";
import type { LoopAxis } from "../primitives/attributes";
import { concatenate, map, reshape, sliceAxis } from "../primitives/ops";
import { simplify, vmapBodyToFront } from "../transforms";

/**
 * Loops and vectorised loops written as closures: a body may use any value of the surrounding builder, and those values
 * become arguments that are the same for every iteration.
 */

type EmitBody = (body: Builder, slices: Value[]) => Value[];

function emitInChild(
  builder: Builder,
  mapped: readonly Value[],
  emitBody: EmitBody,
): { body: Builder; slices: readonly Value[]; outputs: readonly Value[] } {
  const body = builder.child();
  const slices = mapped.map(({ shape, dtype }): Value => ({ shape: shape.slice(1), dtype }));
  return { body, slices, outputs: emitBody(body, slices) };
}

function close(
  builder: Builder,
  mapped: readonly Value[],
  emitBody: EmitBody,
): { graph: Graph; captured: readonly Value[] } {
  const { body, slices, outputs } = emitInChild(builder, mapped, emitBody);
  const own = new Set<Value>([...slices, ...body.constants.map(({ value }) => value)]);
  const captured = new Set<Value>();
  for (const equation of body.equations) {
    for (const input of equation.inputs) if (!own.has(input)) captured.add(input);
    equation.outputs.forEach((output) => own.add(output));
  }
  for (const output of outputs) if (!own.has(output)) captured.add(output);

  // Constants of the surroundings stay constants
  const constants = builder.constants.filter(({ value }) => captured.delete(value));
  body.append([], constants);
  const inputs = [...slices, ...captured].map((value, index) => ({ name: `x${index}`, value }));
  return { graph: body.build({ inputs, outputs }), captured: [...captured] };
}

/** Emits a loop over the first axis of `mapped`; outputs are stacked along a new first axis. */
export function mapOver(builder: Builder, mapped: readonly Value[], length: number, emitBody: EmitBody): Value[] {
  const { graph, captured } = close(builder, mapped, emitBody);
  const inputs = [...mapped, ...captured];
  return map(
    builder,
    simplify(graph),
    inputs,
    inputs.map((_, index) => index < mapped.length),
    length,
  );
}

/**
 * Emits the body vectorised over the first axis of `mapped`; outputs have that axis first. `over` says what that axis is,
 * for what is said of operations that it makes loops of.
 */
export function vmapOver(
  builder: Builder,
  mapped: readonly Value[],
  size: number,
  emitBody: EmitBody,
  over: readonly LoopAxis[] = [],
): Value[] {
  const { body, slices, outputs } = emitInChild(builder, mapped, emitBody);
  return vmapBodyToFront(
    builder,
    body,
    new Map(slices.map((slice, index) => [slice, mapped[index]])),
    outputs,
    size,
    over,
  );
}

/**
 * Emits rows 0..total-1 of some outputs, `chunk` of them at a time: one loop over the whole chunks, then the rest.
 *
 * @param mapped values whose first axis are the rows
 * @param emitRows given a builder and `count` rows of each of `mapped`, returns outputs with these rows as first axis
 */
export function inChunks(
  builder: Builder,
  mapped: readonly Value[],
  total: number,
  chunk: number | null,
  emitRows: (builder: Builder, rows: readonly Value[], count: number) => Value[],
): Value[] {
  if (chunk === null || chunk >= total) return emitRows(builder, mapped, total);
  const whole = Math.floor(total / chunk);
  const done = whole * chunk;
  const chunked = mapped.map((value) =>
    reshape(builder, sliceAxis(builder, value, 0, 0, done), [whole, chunk, ...value.shape.slice(1)]),
  );
  const stacked = mapOver(builder, chunked, whole, (body, rows) => emitRows(body, rows, chunk)).map((output) =>
    reshape(builder, output, [done, ...output.shape.slice(2)]),
  );
  if (done === total) return stacked;
  const rest = emitRows(
    builder,
    mapped.map((value) => sliceAxis(builder, value, 0, done, total)),
    total - done,
  );
  return range(stacked.length).map((index) => concatenate(builder, [stacked[index], rest[index]], 0));
}
