import type { Source } from "../../graph/graph";
import type { ProgramNode } from "./program";

/** The user's own lines for what an exported program does: from the stack traces and module stacks of its nodes. */

interface Frame {
  readonly file: string;
  readonly line: number;
  readonly name: string;
  /** Whether it is the user's own code: no package's, and no part of Python. */
  readonly isUsers: boolean;
}

/** A call of a module. */
export interface ModuleCall {
  /** One for each call, the first and later ones. */
  readonly key: string;
  /** `layers.0.conv`; empty for the model itself. */
  readonly path: string;
  /** `torch.nn.modules.conv.Conv2d` */
  readonly type: string;
}

const FRAME = /File "([^"\n]+)", line (\d+), in ([^\n]+)/g;
const LIBRARY = /[\\/](?:site-packages|dist-packages)[\\/]|[\\/]lib[\\/]python\d|^<|^torch[\\/]/;

/** Of a node, outermost first. */
function framesOf({ stackTrace }: ProgramNode): Frame[] {
  return Array.from(stackTrace.matchAll(FRAME), ([, file, line, name]) => ({
    file,
    line: Number(line),
    name: name.trim(),
    isUsers: !LIBRARY.test(file),
  }));
}

/** The modules that a node is called in, outermost first. */
export function modulesOf({ moduleStack }: ProgramNode): ModuleCall[] {
  return moduleStack.split(";").flatMap((entry): ModuleCall[] => {
    const [key, path, type] = entry.split(",") as [string, string | undefined, string | undefined];
    if (path === undefined || type === undefined || key.startsWith("_empty_nn_module_stack")) return [];
    return [{ key, path: plainPath(path), type }];
  });
}

/** `L['self'].layers[0]`, as some versions write it, is `layers.0`. */
function plainPath(path: string): string {
  return path
    .replace(/^L\['self'\]\.?/, "")
    .replace(/\[(\w+)\]/g, ".$1")
    .replace(/^\./, "");
}

/** The user's innermost line of a node, and the path of the module that it is in. */
export function placeOf(node: ProgramNode): Source | null {
  const frame = framesOf(node).findLast(({ isUsers }) => isUsers);
  if (frame === undefined) return null;
  const module = modulesOf(node).at(-1)?.path;
  return { ...sourceOf(frame), ...(module ? { module } : {}) };
}

/**
 * The user's lines that lead to the call of the module at `depth` of a node's module stack, innermost first. Each module
 * has a frame of its own, of its `forward`: the lines are those of the frames before it. The model itself is called by
 * none: its place is the line in its own `forward`.
 */
export function callersOf(node: ProgramNode, depth: number): Source[] {
  const frames = framesOf(node);
  if (depth === 0) {
    return frames
      .filter(({ isUsers }) => isUsers)
      .slice(0, 1)
      .map(sourceOf);
  }
  const forwards = frames.flatMap(({ name }, index) => (name === "forward" ? [index] : []));
  const modules = modulesOf(node);
  // Some versions leave out the frames of PyTorch's own modules
  const shown = [modules, modules.map((module) => (module.type.startsWith("torch.") ? null : module))].find(
    (each) => each.filter((module) => module !== null).length === forwards.length,
  );
  const before = shown?.slice(0, depth).filter((module) => module !== null).length ?? 0;
  const own = before > 0 ? (forwards[before] ?? frames.length) : frames.length;
  return frames
    .slice(0, own)
    .filter(({ isUsers }) => isUsers)
    .map(sourceOf)
    .reverse();
}

function sourceOf({ file, line }: Frame): Source {
  return { file, line, column: 1 };
}
