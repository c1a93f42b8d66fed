import type { Value } from "../../../graph/graph";
import { sameShape } from "../../../graph/types";
import * as ops from "../../../primitives/ops";
import {
  checkedSteps,
  ElementsNeeded,
  listed,
  numberedType,
  positiveAxis,
  type Call,
  type Item,
  type Operator,
  type OperatorTable,
  type SequenceItem,
  type TensorItem,
} from "../call";

/** Subgraphs, sequences and optionals: what they do is settled while the model is read. */

const branch: Operator = (call) => {
  const condition = call.known(0);
  if (condition) return call.reading.evaluate(call.graph(condition[0] !== 0 ? "then_branch" : "else_branch"), []);
  // Neither branch does anything but compute: both may, and the condition chooses
  const [yes, no] = ["then_branch", "else_branch"].map((name) => call.reading.evaluate(call.graph(name), []));
  return yes.map((item, index) => {
    const other = no[index];
    const fits =
      item.kind === "tensor" &&
      other.kind === "tensor" &&
      sameShape(item.value.shape, other.value.shape) &&
      item.value.dtype === other.value.dtype;
    if (!fits) {
      throw new ElementsNeeded(
        "its condition depends on the model's inputs, and its branches give results of different shapes; make the condition a constant",
      );
    }
    const choice = ops.reshape(
      call.b,
      call.input(0),
      item.value.shape.map(() => 1),
    );
    return call.typed(ops.select(call.b, choice, item.value, other.value), item.type);
  });
};

/** Turn by turn. How many turns there are must not depend on the model's inputs. */
const loop: Operator = (call) => {
  const { b } = call;
  const body = call.graph("body");
  const most = call.has(0) ? call.elements(0)[0] : Infinity;
  let goes = call.has(1) ? call.elements(1)[0] !== 0 : true;
  let states: (Item | null)[] = call.items.slice(2);
  const collected: TensorItem[][] = body.output.slice(1 + states.length).map(() => []);
  for (let turn = 0; turn < most && goes; turn++) {
    checkedSteps(turn + 1);
    const number = call.constant([turn], [], "int64");
    const condition = call.typed(b.scalar(1, "bool"), "bool");
    const [next, ...rest] = call.reading.evaluate(body, [number, condition, ...states]);
    const value = call.reading.elementsOf((next as TensorItem).value);
    if (value === null) {
      throw call.unsupported("when it ends depends on the model's inputs; give it a fixed number of turns");
    }
    goes = value[0] !== 0;
    states = rest.slice(0, states.length);
    rest.slice(states.length).forEach((item, index) => {
      if (item.kind !== "tensor") throw call.unsupported("it collects something else than tensors");
      collected[index].push(item);
    });
  }
  return [...states, ...collected.map((items) => stacked(call, items, 0))];
};

function stacked(call: Call, items: readonly TensorItem[], axis: number): TensorItem {
  if (items.length === 0) throw call.unsupported("it has no turns, so that the shape of what it collects is not known");
  const values = items.map(({ value }) => ops.expandDims(call.b, value, axis));
  return call.typed(ops.concatenate(call.b, values, axis), items[0].type);
}

const scan: Operator = (call) => {
  const { b } = call;
  const body = call.graph("body");
  const isOld = call.opset < 9;
  const count = call.int("num_scan_inputs", 1);
  const given = isOld ? call.items.slice(1) : call.items;
  if (isOld) return scanBatches(call, given, count);
  const states = given.slice(0, given.length - count);
  const inputs = given.slice(given.length - count) as TensorItem[];
  const outputs = body.output.length - states.length;
  const axis = (name: string, index: number, rank: number): number => positiveAxis(call.ints(name)?.[index] ?? 0, rank);
  const inputAxes = inputs.map(({ value }, index) => axis("scan_input_axes", index, value.shape.length));
  const steps = checkedSteps(inputs[0].value.shape[inputAxes[0]]);
  const backwards = (name: string, index: number): boolean => call.ints(name)?.[index] === 1;
  const collected: TensorItem[][] = listed(outputs).map(() => []);
  let current = states;
  for (const step of listed(steps)) {
    const slices = inputs.map(({ value, type }, index) => {
      const place = backwards("scan_input_directions", index) ? steps - 1 - step : step;
      const along = inputAxes[index];
      const shape = value.shape.filter((_, other) => other !== along);
      return call.typed(ops.reshape(b, ops.sliceAxis(b, value, along, place, place + 1), shape), type);
    });
    const results = call.reading.evaluate(body, [...current, ...slices]);
    current = results.slice(0, states.length);
    results.slice(states.length).forEach((item, index) => collected[index].push(item as TensorItem));
  }
  const scanned = collected.map((items, index) => {
    const rank = (items.at(0)?.value.shape.length ?? 0) + 1;
    const ordered = backwards("scan_output_directions", index) ? [...items].reverse() : items;
    return stacked(call, ordered, axis("scan_output_axes", index, rank));
  });
  return [...current, ...scanned];
};

/** Before operator set 9 the first axis of everything was a batch, and the second was scanned. */
function scanBatches(call: Call, given: readonly (Item | null)[], count: number): Item[] {
  const { b } = call;
  if (call.has(0)) throw call.unsupported("sequences of different lengths are not read");
  const items = given as readonly TensorItem[];
  const [batches] = items[0].value.shape;
  const body = call.graph("body");
  const at = (value: Value, index: number): Value =>
    ops.reshape(b, ops.sliceAxis(b, value, 0, index, index + 1), value.shape.slice(1));
  const results = listed(batches).map((batch) => {
    const own = items.map(({ value, type }) => call.typed(at(value, batch), type));
    let states: Item[] = own.slice(0, own.length - count);
    const inputs = own.slice(own.length - count);
    const collected: TensorItem[][] = [];
    for (const step of listed(checkedSteps(inputs[0].value.shape[0]))) {
      const outcome = call.reading.evaluate(body, [
        ...states,
        ...inputs.map(({ value, type }) => call.typed(at(value, step), type)),
      ]);
      outcome.slice(states.length).forEach((item, index) => (collected[index] ??= []).push(item as TensorItem));
      states = outcome.slice(0, states.length);
    }
    return [...(states as TensorItem[]), ...collected.map((each) => stacked(call, each, 0))];
  });
  return results[0].map((_, index) =>
    stacked(
      call,
      results.map((each) => each[index]),
      0,
    ),
  );
}

function sequence(call: Call, index: number): readonly Item[] {
  const item = call.item(index);
  if (item.kind !== "sequence") throw new Error(`its input ${index + 1} is no sequence`);
  return item.items;
}

const sequenceOf = (items: readonly Item[]): SequenceItem => ({ kind: "sequence", items });

function placeIn(call: Call, index: number, count: number): number {
  const place = call.elements(index)[0];
  const positive = place < 0 ? place + count : place;
  if (!(positive >= 0 && positive <= count)) throw new Error(`a sequence of ${count} has no place ${place}`);
  return positive;
}

const concatFromSequence: Operator = (call) => {
  const items = sequence(call, 0) as readonly TensorItem[];
  const isNew = call.int("new_axis", 0) === 1;
  const rank = (items.at(0)?.value.shape.length ?? 0) + (isNew ? 1 : 0);
  const axis = positiveAxis(call.int("axis", 0), rank);
  if (isNew) return stacked(call, items, axis);
  return call.typed(
    ops.concatenate(
      call.b,
      items.map(({ value }) => value),
      axis,
    ),
    items[0].type,
  );
};

const splitToSequence: Operator = (call) => {
  const { b } = call;
  const { value, type } = call.tensor(0);
  const axis = positiveAxis(call.int("axis", 0), value.shape.length);
  const extent = value.shape[axis];
  const given = call.has(1) ? call.elements(1) : null;
  const isNumber = call.has(1) && call.input(1).shape.length === 0;
  // One for each element, all of one size but perhaps the last, or of the sizes given
  const size = given === null ? 1 : given[0];
  const isList = given !== null && !isNumber;
  const sizes = isList
    ? given
    : listed(checkedSteps(Math.ceil(extent / size))).map((index) => Math.min(size, extent - index * size));
  let start = 0;
  const parts = sizes.map((size) => ops.sliceAxis(b, value, axis, start, (start += size)));
  const drops = given === null && call.int("keepdims", 1) === 0;
  const shape = value.shape.filter((_, other) => other !== axis);
  return sequenceOf(parts.map((part) => call.typed(drops ? ops.reshape(b, part, shape) : part, type)));
};

const sequenceMap: Operator = (call) => {
  const body = call.graph("body");
  const turns = listed(sequence(call, 0).length).map((turn) =>
    call.reading.evaluate(
      body,
      call.items.map((item) => (item?.kind === "sequence" ? item.items[turn] : item)),
    ),
  );
  return body.output.map((_, index) => sequenceOf(turns.map((results) => results[index])));
};

export const control: OperatorTable = {
  If: branch,
  Loop: loop,
  Scan: scan,

  SequenceEmpty: (call) => {
    numberedType(call.int("dtype", 1));
    return sequenceOf([]);
  },
  SequenceConstruct: (call) => sequenceOf(call.items as readonly Item[]),
  SequenceAt: (call) => {
    const items = sequence(call, 0);
    return items[placeIn(call, 1, items.length)];
  },
  SequenceLength: (call) => call.constant([sequence(call, 0).length], [], "int64"),
  SequenceInsert: (call) => {
    const items = [...sequence(call, 0)];
    items.splice(call.has(2) ? placeIn(call, 2, items.length) : items.length, 0, call.item(1));
    return sequenceOf(items);
  },
  SequenceErase: (call) => {
    const items = [...sequence(call, 0)];
    items.splice(call.has(1) ? placeIn(call, 1, items.length) : items.length - 1, 1);
    return sequenceOf(items);
  },
  ConcatFromSequence: concatFromSequence,
  SplitToSequence: splitToSequence,
  SequenceMap: sequenceMap,

  Optional: (call) => (call.has(0) ? call.item(0) : { kind: "none" }),
  OptionalHasElement: (call) => {
    const there = call.has(0) && call.item(0).kind !== "none";
    return call.constant([Number(there)], [], "bool");
  },
  OptionalGetElement: (call) => {
    const item = call.item(0);
    if (item.kind === "none") throw new Error("it takes the value of an empty optional");
    return item;
  },
};
