import * as vscode from "vscode";
import type { DeviceInfo } from "../sidecar/protocol/analysis";
import { formatBytes } from "../sidecar/protocol/text";
import type { App } from "./app";
import { askToPick } from "./ask";
import { readSettings, writeSetting } from "./settings";

/** Choose Device: what predictions are made for, and the engine that computes. */

interface Choice extends vscode.QuickPickItem {
  readonly set?: { readonly key: "device" | "engine"; readonly value: string };
}

export function activateChooseDevice(app: App): vscode.Disposable {
  return vscode.Disposable.from(
    vscode.commands.registerCommand("kernelscope.chooseDevice", () => chooseDevice(app)),
    vscode.commands.registerCommand("kernelscope.useDevice", (name: string) => writeSetting("device", name)),
    vscode.commands.registerCommand("kernelscope.useEngine", (name: string) => writeSetting("engine", name)),
    vscode.commands.registerCommand("kernelscope.refreshDevices", () => app.devices.find(true)),
  );
}

async function chooseDevice({ devices }: App): Promise<void> {
  const choices = devices.find().then(({ detected, profiles, engines }): Choice[] => {
    const { device: chosen, engine: chosenEngine } = readSettings();
    const device = ({ name, memoryBytes }: DeviceInfo, value = name): Choice => ({
      label: name,
      description: `${formatBytes(memoryBytes)}${value === chosen ? " — chosen" : ""}`,
      set: { key: "device", value },
    });
    return [
      separator("This machine"),
      ...detected.map((each, index) => device(each, index === 0 ? "auto" : each.name)),
      separator("Cards to predict for"),
      ...profiles.map((each) => device(each)),
      separator("Engine that computes"),
      {
        label: "Automatic",
        description: `the best that there is${chosenEngine === "auto" ? " — chosen" : ""}`,
        set: { key: "engine", value: "auto" },
      },
      ...engines
        .filter(({ available }) => available)
        .map(({ name, detail }): Choice => ({
          label: name,
          description: `${detail}${name === chosenEngine ? " — chosen" : ""}`,
          set: { key: "engine", value: name },
        })),
    ];
  });
  const picked = await askToPick(choices, {
    title: "Choose Device",
    placeHolder: "The device to predict for, or the engine to compute with",
    matchOnDescription: true,
  });
  if (picked?.set) await writeSetting(picked.set.key, picked.set.value);
}

function separator(label: string): Choice {
  return { label, kind: vscode.QuickPickItemKind.Separator };
}
