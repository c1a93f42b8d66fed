import { flopsOf } from "../transforms";
import type { Value } from "../graph/graph";
import type { Shape } from "../graph/types";
import type { Analysis, ParameterAnalysis } from "../protocol/analysis";
import type { Outline, OutlineRow } from "../protocol/outline";
import type { Model, ModuleInfo, OperationInfo } from "../sources/model";
import { placeOf } from "./source";

/** The model's graph by modules: what each of them, and each operation in it, makes, holds and costs. */

type OutlinedModel = Pick<Model, "graph" | "layers" | "operations" | "batch">;

interface Operation extends Omit<OperationInfo, "equations" | "outputs"> {
  readonly id: string;
  /** With the batch axis. */
  readonly shapes: readonly Shape[];
  /** Those that no operation before it uses. */
  readonly parameters: readonly ParameterAnalysis[];
  readonly flops: number;
}

interface Module extends ModuleInfo {
  readonly members: Member[];
}

type Member = Module | Operation;

/**
 * @param analysis of this very model: it knows the number of examples, and which parameters are left out of the Jacobian
 */
export function outlineOf(model: OutlinedModel, analysis: Analysis): Outline {
  const operations = operationsIn(model, analysis);
  const flops = operations.reduce((sum, operation) => sum + operation.flops, 0);
  const rows = new Rows(model, analysis, flops);
  rows.addMembers(modulesOf(operations), 0, "");
  const used = new Set(operations.flatMap(({ parameters }) => parameters));
  for (const parameter of analysis.parameters) if (!used.has(parameter)) rows.addParameter(parameter, 0, "");
  return { rows: rows.rows, batch: analysis.batch, flops };
}

class Rows {
  readonly rows: OutlineRow[] = [];
  private readonly layers: ReadonlyMap<string, Model["layers"][number]>;

  constructor(
    model: OutlinedModel,
    private readonly analysis: Analysis,
    /** Of the whole model. */
    private readonly flops: number,
  ) {
    this.layers = new Map(model.layers.map((layer) => [layer.name, layer]));
  }

  addMembers(members: readonly Member[], depth: number, outer: string): void {
    for (const member of members) {
      if ("members" in member) this.addModule(member, depth, outer);
      else this.addOperation(member, depth, outer);
    }
  }

  private addModule(module: Module, depth: number, outer: string): void {
    const { path, members } = module;
    const inside = operationsOf(module);
    const layer = this.layers.get(path);
    const source = layer?.source ?? inside.find((operation) => operation.source !== null)?.source ?? null;
    const [first] = members;
    // Of a module that is one operation there is nothing more to be seen
    const only = members.length === 1 && !("members" in first) ? first : null;
    this.rows.push({
      id: `module ${path}`,
      form: "module",
      depth,
      name: nameIn(outer, path),
      kind: module.kind || (layer?.kind ?? only?.kind ?? ""),
      shapes: this.shapesOf(module),
      ...this.held(inside.flatMap(({ parameters }) => parameters)),
      share: this.shareOf(inside.reduce((sum, { flops }) => sum + flops, 0)),
      source: placeOf(source),
    });
    if (only === null) this.addMembers(members, depth + 1, path);
    else for (const parameter of only.parameters) this.addParameter(parameter, depth + 1, path);
  }

  /** As its layer says, else of what it does last. */
  private shapesOf(member: Member): readonly Shape[] {
    if (!("members" in member)) return member.shapes;
    const outputs = this.layers.get(member.path)?.outputs ?? [];
    return outputs.length > 0
      ? outputs.map((shape) => [this.analysis.batch, ...shape])
      : this.shapesOf(member.members.at(-1)!);
  }

  private addOperation({ id, name, kind, shapes, parameters, flops, source }: Operation, depth: number, outer: string) {
    const share = this.shareOf(flops);
    const row = { id, form: "operation", depth, name: nameIn(outer, name), kind, shapes, share } as const;
    this.rows.push({ ...row, ...this.held(parameters), source: placeOf(source) });
    for (const parameter of parameters) this.addParameter(parameter, depth + 1, outer);
  }

  addParameter(
    { name, dtype, shape, elements, trainable, jacobian, source }: ParameterAnalysis,
    depth: number,
    outer: string,
  ): void {
    this.rows.push({
      id: `parameter ${name}`,
      form: "parameter",
      depth,
      name: nameIn(outer, name),
      kind: dtype,
      shapes: [shape],
      elements,
      jacobian: trainable ? jacobian : null,
      share: 0,
      source,
    });
  }

  private held(parameters: readonly ParameterAnalysis[]): Pick<OutlineRow, "elements" | "jacobian"> {
    const elements = parameters.reduce((sum, parameter) => sum + parameter.elements, 0);
    const trainable = parameters.filter((parameter) => parameter.trainable);
    const columns = trainable.reduce((sum, parameter) => sum + parameter.elements, 0);
    const bytes = trainable.reduce((sum, { jacobian }) => sum + jacobian.bytes, 0);
    const shape = [...this.analysis.jacobian.shape.slice(0, -1), columns];
    return { elements, jacobian: trainable.length === 0 ? null : { shape, bytes } };
  }

  private shareOf(flops: number): number {
    return this.flops === 0 ? 0 : flops / this.flops;
  }
}

function operationsIn({ graph, operations, batch: { coupled } }: OutlinedModel, analysis: Analysis): Operation[] {
  const parameterOf = new Map(graph.parameters.map(({ value }, index) => [value, analysis.parameters[index]]));
  const varying = varyingIn(graph);
  const used = new Set<Value>();
  return operations.map(({ equations: indices, outputs, ...operation }, index) => {
    const equations = indices.map((each) => graph.equations[each]);
    const varies = equations.some((equation) => equation.outputs.some((value) => varying.has(value)));
    return {
      ...operation,
      id: `operation ${index}`,
      shapes: varies ? outputs.map((shape) => [analysis.batch, ...shape]) : outputs,
      parameters: equations
        .flatMap(({ inputs }) => inputs)
        .flatMap((value) => {
          const parameter = parameterOf.get(value);
          if (parameter === undefined || used.has(value)) return [];
          used.add(value);
          return [parameter];
        }),
      flops: flopsOf({ ...graph, equations }) * (coupled ? 1 : analysis.batch),
    };
  });
}

/** Values that depend on the inputs. */
function varyingIn({ inputs, equations }: Model["graph"]): Set<Value> {
  const varying = new Set<Value>(inputs.map(({ value }) => value));
  for (const equation of equations) {
    if (equation.inputs.some((value) => varying.has(value))) equation.outputs.forEach((value) => varying.add(value));
  }
  return varying;
}

/** Operations within modules, each where it comes first. A module that is called again is the same one. */
function modulesOf(operations: readonly Operation[]): Member[] {
  const roots: Member[] = [];
  const known = new Map<string, Module>();
  for (const operation of operations) {
    let members = roots;
    for (const { path, kind } of operation.modules) {
      let module = known.get(path);
      if (module === undefined) {
        known.set(path, (module = { path, kind, members: [] }));
        members.push(module);
      }
      members = module.members;
    }
    members.push(operation);
  }
  return roots;
}

function operationsOf({ members }: Module): Operation[] {
  return members.flatMap((member) => ("members" in member ? operationsOf(member) : [member]));
}

/**
 * `conv.weight` of `layers.0.conv.weight` in `layers.0`. Names may be whole or begin anywhere in the path, and are not always
 * parted as it is.
 */
function nameIn(outer: string, name: string): string {
  const parts = outer.split(/[./]/);
  const own = name.replace(/^\//, "");
  for (let first = 0; outer !== "" && first < parts.length; first++) {
    const inside = parts.slice(first).join(".");
    if (own.replaceAll("/", ".").startsWith(`${inside}.`)) return own.slice(inside.length + 1);
  }
  return own;
}
