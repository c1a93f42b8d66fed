import type { Builder } from "../../../graph/builder";
import type { Value } from "../../../graph/graph";
import { range } from "../../../graph/types";
import * as ops from "../../../primitives/ops";
import { relu } from "../../activations";
import type { Operator, OperatorCall, OperatorTable } from "../call";
import { checkParts } from "./common";
import { linear } from "./products";

/** Recurrent layers, unrolled: [batch, time, feature] inside. */

/** What a step carries on: the output first, then whatever else the cell remembers. */
type State = readonly Value[];

/** The weights of one layer in one direction. */
interface Weights {
  readonly input: Value;
  readonly hidden: Value;
  readonly inputBias: Value | null;
  readonly hiddenBias: Value | null;
  /** [projection, hidden], where outputs are projected. */
  readonly projection: Value | null;
}

/** One step: `gates` is what the input contributes. */
type Cell = (b: Builder, gates: Value, state: State, weights: Weights) => State;

function parts(b: Builder, x: Value, count: number): Value[] {
  const last = x.shape.length - 1;
  const size = x.shape[last] / count;
  return range(count).map((part) => ops.sliceAxis(b, x, last, part * size, (part + 1) * size));
}

const fromHidden = (b: Builder, state: Value, { hidden, hiddenBias }: Weights): Value =>
  linear(b, state, hidden, hiddenBias);

const lstmCell: Cell = (b, gates, [output, memory], weights) => {
  const [i, f, g, o] = parts(b, ops.add(b, gates, fromHidden(b, output, weights)), 4);
  const kept = ops.mul(b, ops.logistic(b, f), memory);
  const next = ops.add(b, kept, ops.mul(b, ops.logistic(b, i), ops.tanh(b, g)));
  const out = ops.mul(b, ops.logistic(b, o), ops.tanh(b, next));
  return [weights.projection === null ? out : linear(b, out, weights.projection, null), next];
};

const gruCell: Cell = (b, gates, [output], weights) => {
  const [xr, xz, xn] = parts(b, gates, 3);
  const [hr, hz, hn] = parts(b, fromHidden(b, output, weights), 3);
  const reset = ops.logistic(b, ops.add(b, xr, hr));
  const update = ops.logistic(b, ops.add(b, xz, hz));
  const fresh = ops.tanh(b, ops.add(b, xn, ops.mul(b, reset, hn)));
  // (1 - z) n + z h
  return [ops.add(b, fresh, ops.mul(b, update, ops.sub(b, output, fresh)))];
};

const plainCell =
  (activation: (b: Builder, x: Value) => Value): Cell =>
  (b, gates, [output], weights) => [activation(b, ops.add(b, gates, fromHidden(b, output, weights)))];

/** All steps of one layer in one direction: its outputs, step by step, and its last state. */
function unrolled(
  b: Builder,
  cell: Cell,
  x: Value,
  initial: State,
  weights: Weights,
  backwards: boolean,
): { outputs: Value[]; last: State } {
  const [batch, time] = x.shape;
  const gates = linear(b, x, weights.input, weights.inputBias);
  const order = backwards ? range(time).reverse() : range(time);
  const outputs = new Array<Value>(time);
  let state = initial;
  for (const step of order) {
    const now = ops.reshape(b, ops.sliceAxis(b, gates, 1, step, step + 1), [batch, gates.shape[2]]);
    state = cell(b, now, state, weights);
    outputs[step] = state[0];
  }
  return { outputs, last: state };
}

function weightsOf(call: OperatorCall, memories: number): (which: number) => Weights {
  const given = call.values("params");
  const hasBiases = call.flag("has_biases", true);
  const directions = call.size("num_layers", 1) * (call.flag("bidirectional", false) ? 2 : 1);
  const each = given.length / directions;
  const plain = hasBiases ? 4 : 2;
  if (each !== plain && !(memories === 2 && each === plain + 1)) {
    throw call.refuse(`has ${given.length} weights for ${directions} layers; export the model again`);
  }
  return (which) => {
    const own = given.slice(which * each, (which + 1) * each);
    return {
      input: own[0],
      hidden: own[1],
      inputBias: hasBiases ? own[2] : null,
      hiddenBias: hasBiases ? own[3] : null,
      projection: each > plain ? own[each - 1] : null,
    };
  };
}

/** @param memories arrays that make up the state */
const recurrent =
  (cell: Cell, memories: 1 | 2): Operator =>
  (b, call) => {
    if (call.overload !== "input") throw call.refuse("is for packed sequences; give it padded ones");
    if (call.flag("train", false) && call.number("dropout", 0) > 0) {
      throw call.refuse("has a random dropout in training mode; call model.eval() before the export");
    }
    const given = call.value("input");
    const isOne = given.shape.length === 2;
    const batched = isOne ? ops.expandDims(b, given, call.flag("batch_first", false) ? 0 : 1) : given;
    const batchFirst = call.flag("batch_first", false);
    let x = batchFirst ? batched : ops.transpose(b, batched, [1, 0, 2]);
    checkParts(call, x.shape[1] * call.size("num_layers", 1));
    const initial = (memories === 2 ? call.values("hx") : [call.value("hx")]).map((state) =>
      isOne ? ops.expandDims(b, state, 1) : state,
    );
    const weights = weightsOf(call, memories);
    const directions = call.flag("bidirectional", false) ? 2 : 1;
    const lasts: State[] = [];
    for (let layer = 0; layer < call.size("num_layers", 1); layer++) {
      const results = range(directions).map((direction) => {
        const which = layer * directions + direction;
        const start = initial.map((state) =>
          ops.reshape(b, ops.sliceAxis(b, state, 0, which, which + 1), state.shape.slice(1)),
        );
        return unrolled(b, cell, x, start, weights(which), direction === 1);
      });
      lasts.push(...results.map(({ last }) => last));
      const steps = results.map(({ outputs }) =>
        ops.concatenate(
          b,
          outputs.map((output) => ops.expandDims(b, output, 1)),
          1,
        ),
      );
      x = ops.concatenate(b, steps, 2);
    }
    const output = batchFirst ? x : ops.transpose(b, x, [1, 0, 2]);
    const states = range(memories).map((memory) =>
      ops.concatenate(
        b,
        lasts.map((last) => ops.expandDims(b, last[memory], 0)),
        0,
      ),
    );
    if (!isOne) return [output, ...states];
    const without = (value: Value, axis: number): Value =>
      ops.reshape(
        b,
        value,
        value.shape.filter((_, other) => other !== axis),
      );
    return [without(output, batchFirst ? 0 : 1), ...states.map((state) => without(state, 1))];
  };

/** A single step, as the cell modules have it. */
const step =
  (cell: Cell, memories: 1 | 2): Operator =>
  (b, call) => {
    const weights: Weights = {
      input: call.value("w_ih"),
      hidden: call.value("w_hh"),
      inputBias: call.optional("b_ih"),
      hiddenBias: call.optional("b_hh"),
      projection: null,
    };
    const gates = linear(b, call.value("input"), weights.input, weights.inputBias);
    const state = memories === 2 ? call.values("hx") : [call.value("hx")];
    const next = cell(b, gates, state, weights);
    return memories === 2 ? next : next[0];
  };

const tanhCell = plainCell(ops.tanh);
const reluCell = plainCell(relu);

export const recurrences: OperatorTable = {
  lstm: recurrent(lstmCell, 2),
  gru: recurrent(gruCell, 1),
  rnn_tanh: recurrent(tanhCell, 1),
  rnn_relu: recurrent(reluCell, 1),
  lstm_cell: step(lstmCell, 2),
  gru_cell: step(gruCell, 1),
  rnn_tanh_cell: step(tanhCell, 1),
  rnn_relu_cell: step(reluCell, 1),
};
