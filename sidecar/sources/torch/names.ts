import { uniqueNames } from "../unique-names";

/** Names of a model's outputs, by how its `forward` packs them: `logits`, `hidden.0`; or `output`, `output0`, ... */
export function outputNames(tree: string | null, count: number): string[] {
  const paths = tree === null ? null : leavesOf(tree);
  if (paths?.length !== count) {
    return count === 1 ? ["output"] : Array.from({ length: count }, (_, index) => `output${index}`);
  }
  return uniqueNames(
    paths.map((path) => {
      if (path.length === 0) return "output";
      const joined = path.join(".");
      return /^\d/.test(joined) ? `output${joined}` : joined;
    }),
  );
}

interface Spec {
  readonly type: string | null;
  readonly context: string | null;
  readonly children_spec: readonly Spec[];
}

const DEEPEST = 20;

/** The way to each leaf of a pytree's JSON; null where it cannot be read. */
function leavesOf(tree: string): string[][] | null {
  try {
    const [, spec] = JSON.parse(tree) as [number, Spec];
    const walk = ({ type, context, children_spec: children }: Spec, depth: number): string[][] => {
      if (depth > DEEPEST) throw new Error("too deep");
      if (type === null) return [[]];
      const keys = type.endsWith("dict") || type.endsWith("Dict") ? keysOf(context) : null;
      return children.flatMap((child, index) => {
        return walk(child, depth + 1).map((path) => [keys?.[index] ?? String(index), ...path]);
      });
    };
    return walk(spec, 0);
  } catch {
    return null;
  }
}

function keysOf(context: string | null): string[] | null {
  const keys = context === null ? null : (JSON.parse(context) as unknown);
  return Array.isArray(keys) ? keys.map(String) : null;
}
