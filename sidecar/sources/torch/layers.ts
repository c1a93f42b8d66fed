import type { Shape } from "../../graph/types";
import type { LayerInfo } from "../model";
import { callersOf, modulesOf } from "./places";
import type { Argument, Program, ProgramNode } from "./program";

/** The modules of an exported model as its layers, in the order in which they were called. */

interface Called {
  readonly path: string;
  readonly type: string;
  /** The first call's key: later calls have others. */
  readonly key: string;
  /** The first node in the call; of the model itself, the first that is in no other module. */
  first: ProgramNode;
  readonly depth: number;
}

/**
 * @param parameters names of parameters, and by which name each is in the model, where some are one
 * @param shapeOf of one example of an array of the program; null where it is not known
 */
export function layersOf(
  program: Program,
  parameters: ReadonlyMap<string, string>,
  shapeOf: (name: string) => Shape | null,
): LayerInfo[] {
  const called = new Map<string, Called>();
  const holders = new Set<string>();
  for (const node of program.graph.nodes) {
    modulesOf(node).forEach(({ key, path, type }, depth, stack) => {
      const known = called.get(path);
      if (known === undefined) called.set(path, { path, type, key, first: node, depth });
      else if (depth === 0 && stack.length === 1 && modulesOf(known.first).length > 1) known.first = node;
      if (depth > 0) holders.add(stack[depth - 1].path);
    });
  }
  const owned = ownedBy(called, parameters);
  const outputs = outputsByCall(program);
  return [...called.values()]
    .filter(({ path }) => owned.has(path) || (path !== "" && !holders.has(path)))
    .map((call): LayerInfo => {
      const [source, ...callers] = callersOf(call.first, call.depth);
      const kind = call.type.split(".").pop() ?? call.type;
      return {
        name: call.path === "" ? kind : call.path,
        kind,
        source: source ?? null,
        callers,
        outputs: (outputs.get(call.key) ?? []).flatMap((name) => {
          const shape = shapeOf(name);
          return shape === null ? [] : [shape];
        }),
        parameters: owned.get(call.path) ?? [],
      };
    });
}

/** Each parameter is that of the innermost module with its name's beginning that was called. */
function ownedBy(called: ReadonlyMap<string, Called>, parameters: ReadonlyMap<string, string>): Map<string, string[]> {
  const owned = new Map<string, string[]>();
  const taken = new Set<string>();
  for (const [name, inModel] of parameters) {
    if (taken.has(inModel)) continue;
    let path = name;
    do path = path.includes(".") ? path.slice(0, path.lastIndexOf(".")) : "";
    while (path !== "" && !called.has(path));
    if (!called.has(path)) continue;
    taken.add(inModel);
    owned.set(path, [...(owned.get(path) ?? []), inModel]);
  }
  return owned;
}

/** Names of the arrays that an argument is of. */
function namesIn(argument: Argument): string[] {
  if (argument === null || typeof argument !== "object") return [];
  if (Array.isArray(argument)) return argument.flatMap(namesIn);
  return "tensor" in argument ? [argument.tensor] : [];
}

/** The nodes that use each array; null stands for the model's own result. */
function usesOf(program: Program): Map<string, (ProgramNode | null)[]> {
  const uses = new Map<string, (ProgramNode | null)[]>();
  const note = (argument: Argument, node: ProgramNode | null): void => {
    for (const name of namesIn(argument)) {
      const users = uses.get(name);
      if (users) users.push(node);
      else uses.set(name, [node]);
    }
  };
  for (const node of program.graph.nodes) for (const { argument } of node.inputs) note(argument, node);
  for (const output of program.outputs) note(output, null);
  return uses;
}

/** What each call of a module makes and others use. */
function outputsByCall(program: Program): Map<string, string[]> {
  const uses = usesOf(program);
  const callsOf = new Map(
    program.graph.nodes.map((node) => [node, new Set(modulesOf(node).map(({ key }) => key))] as const),
  );
  const outputs = new Map<string, string[]>();
  for (const [node, calls] of callsOf) {
    for (const name of node.outputs.flat()) {
      if (name === null) continue;
      const users = uses.get(name) ?? [];
      for (const key of calls) {
        if (!users.some((user) => user === null || !callsOf.get(user)!.has(key))) continue;
        outputs.set(key, [...(outputs.get(key) ?? []), name]);
      }
    }
  }
  return outputs;
}
