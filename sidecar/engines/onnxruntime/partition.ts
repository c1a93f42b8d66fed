import type { Equation, Graph, Value } from "../../graph/graph";
import { bytesOf, sameShape } from "../../graph/types";
import type { MapAttributes, SliceAttributes } from "../../primitives/attributes";

/**
 * ONNX graphs here are straight-line: loops (`map`) and operations of other frameworks (`opaque`) run on the host, between
 * sessions. A graph becomes steps, in the order in which they run: sessions, as few as can be, each with as much as it
 * can hold; and host steps. What only renames memory (a reshape, some of the first elements, a concatenation along the
 * first axis of what host steps make) is a host step too where it touches their values: then it costs nothing.
 */
export type Step =
  | {
      readonly kind: "session";
      readonly equations: readonly Equation[];
      /** Values from outside of the session, without constants. */
      readonly inputs: readonly Value[];
      /** Values that later steps or the caller need. */
      readonly outputs: readonly Value[];
    }
  | { readonly kind: "map" | "opaque" | "view" | "join"; readonly equation: Equation };

/** Sessions have levels 0, 1, ...; host steps of level i run after session i and before session i + 1. */
interface Place {
  readonly host: boolean;
  level: number;
}

export function partition(graph: Graph): Step[] {
  const users = usersOf(graph);
  const places = place(graph, users);
  sink(graph, users, places);
  return steps(graph, users, places);
}

/** The equations that read each value. */
type Users = ReadonlyMap<Value, Equation[]>;

function usersOf(graph: Graph): Users {
  const users = new Map<Value, Equation[]>();
  for (const equation of graph.equations) {
    for (const input of equation.inputs) {
      const known = users.get(input);
      if (known?.at(-1) === equation) continue;
      if (known) known.push(equation);
      else users.set(input, [equation]);
    }
  }
  return users;
}

function place(graph: Graph, users: Users): Map<Equation, Place> {
  const outputs = new Set(graph.outputs);
  const producers = new Map<Value, Equation>();
  const places = new Map<Equation, Place>();
  const constants = new Set(graph.constants.map((constant) => constant.value));
  const loops = graph.equations.some(isHostOnly);

  /** Values that lie in the host's memory: arguments, what host steps make, and constants. */
  const onHost = (value: Value): boolean => {
    const producer = producers.get(value);
    return producer === undefined ? !constants.has(value) : places.get(producer)!.host;
  };
  const isHostStep = (equation: Equation): boolean => {
    if (isHostOnly(equation)) return true;
    // Without loops there is one session, and everything is in it.
    if (!loops) return false;
    if (equation.primitive === "reshape" || isLeadingSlice(equation)) return onHost(equation.inputs[0]);
    return isJoin(equation, producers, users, outputs);
  };
  for (const equation of graph.equations) {
    const host = isHostStep(equation);
    let level = host ? -1 : 0;
    for (const input of equation.inputs) {
      const producer = producers.get(input);
      if (!producer) continue;
      const from = places.get(producer)!;
      level = Math.max(level, from.host && !host ? from.level + 1 : from.level);
    }
    places.set(equation, { host, level });
    for (const output of equation.outputs) producers.set(output, equation);
  }
  return places;
}

function isHostOnly({ primitive }: Equation): boolean {
  return primitive === "map" || primitive === "opaque";
}

/** A run of elements along the first axis: it lies in one piece in memory. */
function isLeadingSlice({ primitive, inputs, attributes }: Equation): boolean {
  if (primitive !== "slice") return false;
  const { start, limit, strides } = attributes as SliceAttributes;
  const { shape } = inputs[0];
  return (
    strides.every((stride) => stride === 1) &&
    start.slice(1).every((from) => from === 0) &&
    sameShape(limit.slice(1), shape.slice(1))
  );
}

/**
 * A concatenation along the first axis, of which at least one part is a map's (reshaped, maybe): the parts are then made
 * in their places. Every part has to be used here only.
 */
function isJoin(
  { primitive, attributes, inputs }: Equation,
  producers: ReadonlyMap<Value, Equation>,
  users: Users,
  outputs: ReadonlySet<Value>,
): boolean {
  if (primitive !== "concatenate" || (attributes as { axis: number }).axis !== 0) return false;
  if (new Set(inputs).size !== inputs.length) return false;
  let maps = 0;
  for (const input of inputs) {
    let value = input;
    for (;;) {
      const producer = producers.get(value);
      if (!producer || outputs.has(value) || users.get(value)?.length !== 1) return false;
      if (producer.primitive === "map") {
        const position = producer.outputs.indexOf(value);
        if ((producer.attributes as MapAttributes).combine[position] === "stack") maps++;
        break;
      }
      if (producer.primitive !== "reshape") break;
      value = producer.inputs[0];
    }
  }
  return maps > 0;
}

/**
 * Moves equations into later sessions where all their users are, if that makes less memory cross: a value that a session
 * yields is written out and lives until the other session has read it.
 */
function sink(graph: Graph, users: Users, places: ReadonlyMap<Equation, Place>): void {
  const outputs = new Set(graph.outputs);
  const producers = new Map<Value, Equation>();
  // What needs nothing from a session can be moved as a whole: masks and the like, made of constants.
  const movable = new Set<Value>();
  const inSession = (value: Value): boolean => {
    const producer = producers.get(value);
    return producer !== undefined && !places.get(producer)!.host;
  };
  for (const equation of graph.equations) {
    const moves = equation.inputs.every((input) => !inSession(input) || movable.has(input));
    for (const output of equation.outputs) {
      producers.set(output, equation);
      if (moves) movable.add(output);
    }
  }
  for (const equation of [...graph.equations].reverse()) {
    const own = places.get(equation)!;
    if (own.host) continue;
    let latest = Infinity;
    for (const output of equation.outputs) {
      if (outputs.has(output)) latest = own.level;
      for (const user of users.get(output) ?? []) latest = Math.min(latest, places.get(user)!.level);
    }
    if (latest === Infinity || latest <= own.level) continue;
    const before = equation.outputs.reduce((total, output) => total + bytesOf(output), 0);
    const after = equation.inputs.reduce((total, input) => {
      return total + (inSession(input) && !movable.has(input) ? bytesOf(input) : 0);
    }, 0);
    if (after <= before) own.level = latest;
  }
}

function steps(graph: Graph, users: Users, places: ReadonlyMap<Equation, Place>): Step[] {
  const result: Step[] = [];
  const constants = new Set(graph.constants.map((constant) => constant.value));
  const outputs = new Set(graph.outputs);
  /** Of each level from -1 on, what is in its session, and the host's steps after it. */
  const levels: { readonly inSession: Equation[]; readonly onHost: Equation[] }[] = [];
  for (const equation of graph.equations) {
    const { host, level } = places.get(equation)!;
    while (levels.length <= level + 1) levels.push({ inSession: [], onHost: [] });
    const { inSession, onHost } = levels[level + 1];
    (host ? onHost : inSession).push(equation);
  }
  for (const { inSession: equations, onHost } of levels) {
    if (equations.length > 0) {
      const inside = new Set(equations);
      const made = new Set(equations.flatMap((equation) => equation.outputs));
      const read = new Set(equations.flatMap((equation) => equation.inputs));
      result.push({
        kind: "session",
        equations,
        inputs: [...read].filter((value) => !made.has(value) && !constants.has(value)),
        outputs: [...made].filter(
          (value) => outputs.has(value) || (users.get(value) ?? []).some((user) => !inside.has(user)),
        ),
      });
    }
    for (const equation of onHost) {
      const kind = isHostOnly(equation)
        ? (equation.primitive as "map" | "opaque")
        : equation.primitive === "concatenate"
          ? "join"
          : "view";
      result.push({ kind, equation });
    }
  }
  return result;
}
