/**
 * The page is described anew from its state each time, as a tree of nodes, and the document is changed to match it: only
 * what differs is touched, so that focus, selection, scroll positions and what is being typed stay as they are.
 */

export interface Node_ {
  readonly tag: string;
  readonly properties: Properties;
  readonly children: readonly (Node_ | string)[];
}

export type Child = Node_ | string | number | null | false | readonly Child[];

export type Listeners = Readonly<Record<string, (event: Event) => void>>;

export type Variables = Readonly<Record<`--${string}`, string>>;

export interface Properties {
  /** Among its siblings: an element keeps its identity wherever it moves to. */
  readonly key?: string;
  readonly on?: Listeners;
  /** The element looks after its own children: what is described for it has none. */
  readonly own?: true;
  /** Custom properties, for the style sheet to use. They are set by script, which the content security policy allows. */
  readonly variables?: Variables;
  /** Attributes: true is an empty one, false and null none. `.name` is the element's property, for what no attribute sets. */
  readonly [attribute: string]: string | number | boolean | object | null | undefined;
}

/** The node of an element that `render` made. */
const nodes = new WeakMap<Element, Node_>();

const svgTags = new Set(["svg", "g", "rect", "path", "circle", "line", "polyline", "text", "image"]);
const notAttributes = new Set(["key", "on", "own", "variables"]);

export function h(tag: string, properties: Properties = {}, ...children: readonly Child[]): Node_ {
  return { tag, properties, children: flatten(children) };
}

/** Makes the children of `parent` those that are described. */
export function render(parent: Element, ...children: readonly Child[]): void {
  const focused = document.activeElement;
  patchChildren(parent, flatten(children));
  // Moving an element takes the focus from it. While the user is elsewhere it must not be taken from there
  const isLost = document.hasFocus() && document.activeElement !== focused;
  if (focused instanceof HTMLElement && focused.isConnected && isLost) {
    focused.focus({ preventScroll: true });
  }
}

function flatten(children: readonly Child[]): (Node_ | string)[] {
  const flat: (Node_ | string)[] = [];
  for (const child of children) {
    if (typeof child === "string") flat.push(child);
    else if (typeof child === "number") flat.push(String(child));
    else if (isList(child)) flat.push(...flatten(child));
    else if (child) flat.push(child);
  }
  return flat;
}

function isList(child: Child): child is readonly Child[] {
  return Array.isArray(child);
}

function patchChildren(parent: Element, children: readonly (Node_ | string)[]): void {
  const keyed = takeKeyed(parent, children);
  let at = parent.firstChild;
  for (const child of children) {
    const element = reuse(at, child, keyed) ?? create(child);
    if (element === at) at = at.nextSibling;
    else parent.insertBefore(element, at);
    if (typeof child !== "string") patch(element as Element, child);
    else if (element.nodeValue !== child) element.nodeValue = child;
  }
  while (at !== null) {
    const next = at.nextSibling;
    at.remove();
    at = next;
  }
}

/** The keyed children that stay. The others are removed first, so that those behind them need not move. */
function takeKeyed(parent: Element, children: readonly (Node_ | string)[]): Map<string, Element> {
  const kept = new Map<string, Element>();
  const wanted = new Set<string>();
  for (const child of children) {
    if (typeof child !== "string" && child.properties.key !== undefined) wanted.add(child.properties.key);
  }
  for (const element of [...parent.children]) {
    const key = nodes.get(element)?.properties.key;
    if (key === undefined) continue;
    if (wanted.has(key)) kept.set(key, element);
    else element.remove();
  }
  return kept;
}

/** What is there already for a child: by its key, or else what stands in its place. */
function reuse(at: ChildNode | null, child: Node_ | string, keyed: Map<string, Element>): ChildNode | null {
  if (typeof child === "string") return at instanceof Text ? at : null;
  const { key } = child.properties;
  const element = key === undefined ? at : (keyed.get(key) ?? null);
  if (!(element instanceof Element)) return null;
  const before = nodes.get(element);
  return before?.tag === child.tag && before.properties.key === key ? element : null;
}

function create(child: Node_ | string): ChildNode {
  if (typeof child === "string") return document.createTextNode(child);
  const element = svgTags.has(child.tag)
    ? document.createElementNS("http://www.w3.org/2000/svg", child.tag)
    : document.createElement(child.tag);
  nodes.set(element, { tag: child.tag, properties: { key: child.properties.key }, children: [] });
  return element;
}

function patch(element: Element, node: Node_): void {
  // The very same description: nothing has changed
  if (nodes.get(element) === node) return;
  const before = nodes.get(element)!.properties;
  const after = node.properties;
  nodes.set(element, node);
  for (const name of new Set([...Object.keys(before), ...Object.keys(after)])) {
    if (notAttributes.has(name) || before[name] === after[name]) continue;
    const value = after[name];
    if (name.startsWith(".")) Object.assign(element, { [name.slice(1)]: value });
    else if (value === undefined || value === null || value === false) element.removeAttribute(name);
    else element.setAttribute(name, value === true ? "" : `${value as string | number}`);
  }
  for (const type of Object.keys(after.on ?? {})) {
    // One listener for each type, which looks up the newest function
    if (!before.on?.[type]) element.addEventListener(type, dispatch);
  }
  setVariables(element as HTMLElement | SVGElement, before.variables ?? {}, after.variables ?? {});
  if (!after.own) patchChildren(element, node.children);
}

function dispatch(event: Event): void {
  nodes.get(event.currentTarget as Element)?.properties.on?.[event.type]?.(event);
}

function setVariables({ style }: HTMLElement | SVGElement, before: Variables, after: Variables): void {
  for (const [name, value] of Object.entries(after))
    if (before[name as keyof Variables] !== value) style.setProperty(name, value);
  for (const name of Object.keys(before)) if (!(name in after)) style.removeProperty(name);
}
