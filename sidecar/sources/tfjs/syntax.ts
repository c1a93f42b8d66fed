import type { AnyNode, Expression, Function as FunctionNode, Node } from "acorn";

/** Small questions about syntax trees. None of them recurses along a tree: user code may be as deep as it likes. */

/** All nodes below `root`, itself included, in the order of the text. */
export function* nodesIn(root: Node): Generator<AnyNode> {
  const stack: unknown[] = [root];
  while (stack.length > 0) {
    const next = stack.pop();
    if (Array.isArray(next)) {
      for (let index = next.length - 1; index >= 0; index--) stack.push(next[index]);
    } else if (isNode(next)) {
      yield next;
      const members = Object.values(next) as unknown[];
      for (let index = members.length - 1; index >= 0; index--) stack.push(members[index]);
    }
  }
}

function isNode(value: unknown): value is AnyNode {
  return typeof value === "object" && value !== null && typeof (value as { type?: unknown }).type === "string";
}

/** A function that returns when it is called, so no generator. */
export function isFunction(node: Node | null): node is FunctionNode {
  const { type, generator } = (node ?? {}) as Partial<FunctionNode>;
  const isOne = type === "FunctionDeclaration" || type === "FunctionExpression" || type === "ArrowFunctionExpression";
  return isOne && generator !== true;
}

/** Without `await` and `?.`, which do not change what is meant. */
export function unwrapped(node: Node): AnyNode {
  let inner = node as AnyNode;
  for (;;) {
    if (inner.type === "AwaitExpression") inner = inner.argument;
    else if (inner.type === "ChainExpression") inner = inner.expression;
    else if (inner.type === "ParenthesizedExpression") inner = inner.expression;
    else return inner;
  }
}

/** The name at the very left: `a` in `a.b(c).d`, `new a(b)` and `(await a).b`. */
export function rootName(node: Node): string | null {
  let inner = unwrapped(node);
  for (;;) {
    if (inner.type === "Identifier") return inner.name;
    if (inner.type === "MemberExpression") inner = unwrapped(inner.object);
    else if (inner.type === "CallExpression" || inner.type === "NewExpression") inner = unwrapped(inner.callee);
    else return null;
  }
}

/** The names of a chain of members, from the left: `["tf", "layers", "dense"]`; null for anything else. */
export function memberPath(node: Node): readonly string[] | null {
  const names: string[] = [];
  let inner = unwrapped(node);
  while (inner.type === "MemberExpression") {
    if (inner.computed || inner.property.type !== "Identifier") return null;
    names.push(inner.property.name);
    inner = unwrapped(inner.object);
  }
  return inner.type === "Identifier" ? [inner.name, ...names.reverse()] : null;
}

/** The last name of what is called: `model` in `tf.model()` and in `model()`. */
export function lastName(node: Node): string | null {
  const inner = unwrapped(node);
  if (inner.type === "Identifier") return inner.name;
  return inner.type === "MemberExpression" && !inner.computed && inner.property.type === "Identifier"
    ? inner.property.name
    : null;
}

/** What a function's own `return` statements give, without those of functions inside it. */
export function returnedBy(callable: FunctionNode): Expression[] {
  if (callable.body.type !== "BlockStatement") return [callable.body];
  const results: Expression[] = [];
  const stack: unknown[] = [callable.body];
  while (stack.length > 0) {
    const next = stack.pop();
    if (Array.isArray(next)) for (const one of next as unknown[]) stack.push(one);
    else if (isNode(next) && next.type === "ReturnStatement") {
      if (next.argument) results.push(next.argument);
    } else if (isNode(next) && !/Function|Class/.test(next.type)) stack.push(Object.values(next));
  }
  return results;
}
