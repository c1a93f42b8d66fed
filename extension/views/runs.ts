import * as vscode from "vscode";
import type { RunState } from "../../sidecar/protocol/panel";
import type { App } from "../app";
import { titleOf } from "../places";

/**
 * The side bar's view of computations: progress, cancel, open the result. Its elements are the runs' ids, and those that go
 * on are drawn anew alone: a click on a button of a tree that is being replaced would be told of no element.
 */
export function activateRunsView({ runs }: App): vscode.Disposable {
  const changes = new vscode.EventEmitter<string[] | undefined>();
  const view = vscode.window.createTreeView<string>("kernelscope.runs", {
    treeDataProvider: {
      onDidChangeTreeData: changes.event,
      getChildren: (id) => (id === undefined ? runs.all().map((run) => run.id) : []),
      getTreeItem: (id) => runItem(runs.find(id)!),
    },
  });
  let shown: readonly RunState[] = [];
  let waiting: NodeJS.Timeout | null = null;
  let drawn = 0;
  const draw = (): void => {
    const all = runs.all();
    const changed = all.filter((run) => !shown.includes(run)).map(({ id }) => id);
    changes.fire(all.length === shown.length ? changed : undefined);
    shown = all;
    waiting = null;
    drawn = Date.now();
  };
  return vscode.Disposable.from(
    view,
    changes,
    runs.onDidChange(() => {
      waiting ??= setTimeout(draw, Math.max(0, drawn + REST_MS - Date.now()));
    }),
    { dispose: () => waiting && clearTimeout(waiting) },
  );
}

/**
 * Milliseconds between changes that the tree is told of. It is drawn when it has not been told of any for 200 ms: of a
 * computation that makes progress all the time, nothing would be seen before its end.
 */
const REST_MS = 300;

const icons: Record<RunState["status"], string> = {
  running: "loading~spin",
  done: "pass",
  cancelled: "circle-slash",
  failed: "error",
};

function runItem(run: RunState): vscode.TreeItem {
  const item = new vscode.TreeItem(titleOf(run.model));
  item.id = run.id;
  item.iconPath = new vscode.ThemeIcon(icons[run.status]);
  // How far it is comes first: there is little room
  item.description = `${descriptionOf(run)} · ${run.title.replace(` of ${titleOf(run.model)}`, "")}`;
  item.tooltip = `${run.title}: ${run.message ?? run.out}`;
  item.contextValue = `run.${run.status}`;
  if (run.status === "done")
    item.command = { title: "Open Result", command: "kernelscope.openResult", arguments: [run.id] };
  return item;
}

function descriptionOf({ status, fraction, result }: RunState): string {
  switch (status) {
    case "running":
      return `${Math.floor(100 * fraction)} %`;
    case "done":
      return result ? `${result.summary.seconds.toFixed(2)} s` : "done";
    case "cancelled":
      return "cancelled";
    case "failed":
      return "failed";
  }
}
