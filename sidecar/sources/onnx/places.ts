import type { Source } from "../../graph/graph";
import type { NodeMessage } from "./messages";

/** Where a node comes from: its line of Python where PyTorch's exporter has left that, and the module it is in. */

/** Code that is not the user's own: PyTorch's, and what is installed. */
const NOT_OWN =
  /[\\/](site-packages|dist-packages)[\\/]|[\\/]lib[\\/]python\d|^<|[\\/]torch[\\/](nn|_dynamo|fx|export)[\\/]/;

/** Null where the exporter has left no line: an ONNX file has none of its own. */
export function placeOfNode(node: NodeMessage): Source | null {
  const own = userLines(metadataOf(node, "pkg.torch.onnx.stack_trace")).at(-1);
  if (own === undefined) return null;
  const module = moduleOf(node);
  return { ...own, column: 1, ...(module === "" ? {} : { module }) };
}

function metadataOf({ metadataProps }: NodeMessage, key: string): string {
  return metadataProps.find((entry) => entry.key === key)?.value ?? "";
}

/** The lines of a Python traceback, outermost first. */
function userLines(trace: string): { file: string; line: number }[] {
  return Array.from(trace.matchAll(/File "([^"]+)", line (\d+)/g), ([, file, line]) => ({
    file,
    line: Number(line),
  })).filter(({ file, line }) => line > 0 && !NOT_OWN.test(file));
}

/** `layer1.0.conv1`, by what PyTorch's exporters leave: scopes, a namespace, or the node's own name. */
export function moduleOf(node: NodeMessage): string {
  // A list as Python prints it; the last is the operation's own
  const scopes = Array.from(metadataOf(node, "pkg.torch.onnx.name_scopes").matchAll(/'([^']*)'|"([^"]*)"/g)).map(
    ([, single, double]) => single ?? double ?? "",
  );
  if (scopes.length > 1) return scopes.slice(0, -1).findLast((scope) => scope !== "") ?? "";
  // "name: class/name: class/operation: kind"
  const parts = metadataOf(node, "namespace")
    .split("/")
    .map((part) => part.split(":")[0].trim());
  if (parts.length > 1) return parts.slice(0, -1).findLast((part) => part !== "") ?? "";
  const path = (node.name ?? "").split("/").filter((part) => part !== "");
  return path.length > 1 ? path.slice(0, -1).join("/") : "";
}
