import * as vscode from "vscode";
import type { DeviceInfo } from "../../sidecar/protocol/analysis";
import type { EngineInfo } from "../../sidecar/protocol/messages";
import { formatBytes } from "../../sidecar/protocol/text";
import type { App } from "../app";
import { onSettings, readSettings } from "../settings";

/** The side bar's view of devices and engines. A click chooses one. */

type Node =
  | { readonly kind: "group"; readonly title: string; readonly members: readonly Node[]; readonly open: boolean }
  | { readonly kind: "device"; readonly device: DeviceInfo; readonly value: string }
  | { readonly kind: "engine"; readonly engine: EngineInfo };

export function activateDevicesView(app: App): vscode.Disposable {
  const provider = new DevicesTree(app);
  const view = vscode.window.createTreeView<Node>("kernelscope.devices", { treeDataProvider: provider });
  const look = ({ visible }: { readonly visible: boolean }): void => {
    if (!visible || app.devices.known !== null) return;
    void vscode.window.withProgress({ location: { viewId: "kernelscope.devices" } }, async () => {
      try {
        await app.devices.find();
      } catch (error) {
        app.log.warn(`devices were not found: ${String(error)}`);
      }
    });
  };
  look(view);
  return vscode.Disposable.from(
    view,
    view.onDidChangeVisibility(look),
    app.devices.onDidChange(() => provider.changed()),
    onSettings(() => provider.changed()),
  );
}

class DevicesTree implements vscode.TreeDataProvider<Node> {
  private readonly changes = new vscode.EventEmitter<void>();
  readonly onDidChangeTreeData = this.changes.event;

  constructor(private readonly app: App) {}

  changed(): void {
    this.changes.fire();
  }

  getChildren(node?: Node): Node[] {
    if (node !== undefined) return node.kind === "group" ? [...node.members] : [];
    const { known } = this.app.devices;
    if (known === null) return [];
    const { device } = readSettings();
    const ofProfiles = known.profiles.map((each): Node => ({ kind: "device", device: each, value: each.name }));
    return [
      {
        kind: "group",
        title: "This machine",
        open: true,
        members: known.detected.map((each, index) => ({
          kind: "device",
          device: each,
          value: index === 0 ? "auto" : each.name,
        })),
      },
      {
        kind: "group",
        title: "Engines",
        open: true,
        members: known.engines.map((engine) => ({ kind: "engine", engine })),
      },
      {
        kind: "group",
        title: "Cards to predict for",
        open: known.profiles.some(({ name }) => name === device),
        members: ofProfiles,
      },
    ];
  }

  getTreeItem(node: Node): vscode.TreeItem {
    switch (node.kind) {
      case "group":
        return groupItem(node.title, node.open);
      case "device":
        return deviceItem(node.device, node.value);
      case "engine":
        return engineItem(node.engine);
    }
  }
}

function groupItem(title: string, open: boolean): vscode.TreeItem {
  const { Expanded, Collapsed } = vscode.TreeItemCollapsibleState;
  return new vscode.TreeItem(title, open ? Expanded : Collapsed);
}

function deviceItem({ name, memoryBytes }: DeviceInfo, value: string): vscode.TreeItem {
  const item = new vscode.TreeItem(name);
  const isChosen = readSettings().device === value;
  item.description = `${formatBytes(memoryBytes)}${isChosen ? " · chosen" : ""}`;
  item.iconPath = new vscode.ThemeIcon(isChosen ? "check" : "circuit-board");
  item.tooltip = isChosen ? "Predictions are made for it" : "Click to have predictions made for it";
  item.command = { title: "Use", command: "kernelscope.useDevice", arguments: [value] };
  return item;
}

function engineItem({ name, available, detail }: EngineInfo): vscode.TreeItem {
  const item = new vscode.TreeItem(name);
  const isChosen = readSettings().engine === name;
  item.description = available ? `${detail}${isChosen ? " · chosen" : ""}` : "not available";
  item.iconPath = new vscode.ThemeIcon(isChosen ? "check" : available ? "zap" : "circle-slash");
  item.tooltip = available
    ? "Click to compute with it; chosen again, the best one is taken"
    : `Not available: ${detail}`;
  item.contextValue = !available && name === "tensorflow" ? "engine.missing" : "engine";
  if (available)
    item.command = { title: "Use", command: "kernelscope.useEngine", arguments: [isChosen ? "auto" : name] };
  return item;
}
