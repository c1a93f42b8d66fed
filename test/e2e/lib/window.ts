// One window of the editor: a folder opened in a browser of its own profile.
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import type { Browser, BrowserContext, Page } from "playwright-core";
import { Dialog } from "./dialog";
import { Notifications } from "./notifications";
import { Problems } from "./problems";
import { QuickInput } from "./quick-input";
import type { Server } from "./server";
import { StatusBar } from "./status-bar";
import { TextEditor } from "./text-editor";
import { activityTab, TreeView } from "./tree-view";
import { loading, until } from "./wait";
import { Webview } from "./webview";

export interface WindowOptions {
  /** The folder whose copy is opened. */
  workspace: string;
  /** User settings beside those of `quietSettings`, from the start. */
  settings?: Record<string, unknown>;
  /**
   * `given` (what holds where nothing is said): every folder is trusted. `withheld`: the folder opens in restricted
   * mode. `asked`: the dialog that asks for trust is waited for.
   */
  trust?: "given" | "withheld" | "asked";
  /**
   * A view container that an extension contributes. The window is waited for until it has that: what is done before,
   * the editor does without the extension, such as opening a file for which the extension has an editor of its own.
   */
  container?: string;
}

/** Themes by the names that VS Code has for them. */
export type ColorTheme = "Dark Modern" | "Light Modern" | "Default High Contrast" | "Default High Contrast Light";

/** Nothing that opens by itself, completes what is typed, moves, or asks a network that may not be there. */
const quietSettings = {
  "chat.disableAIFeatures": true,
  "editor.acceptSuggestionOnEnter": "off",
  "editor.autoClosingBrackets": "never",
  "editor.autoClosingQuotes": "never",
  "editor.autoIndent": "none",
  "editor.cursorBlinking": "solid",
  "editor.minimap.enabled": false,
  "editor.parameterHints.enabled": false,
  "editor.quickSuggestions": { other: "off", comments: "off", strings: "off" },
  "editor.stickyScroll.enabled": false,
  "editor.suggestOnTriggerCharacters": false,
  "extensions.autoCheckUpdates": false,
  "extensions.autoUpdate": false,
  "extensions.ignoreRecommendations": true,
  "files.autoSave": "off",
  "git.enabled": false,
  "js/ts.validate.enabled": false,
  "telemetry.telemetryLevel": "off",
  "typescript.disableAutomaticTypeAcquisition": true,
  "typescript.validate.enable": false,
  "window.confirmBeforeClose": "never",
  "workbench.colorTheme": "Dark Modern",
  "workbench.editor.revealIfOpen": true,
  "workbench.enableExperiments": false,
  "workbench.layoutControl.enabled": false,
  "workbench.reduceMotion": "on",
  "workbench.secondarySideBar.defaultVisibility": "hidden",
  "workbench.startupEditor": "none",
  "workbench.tips.enabled": false,
  "workbench.welcomePage.experimentalOnboarding": false,
};

const trustSettings = {
  given: { "security.workspace.trust.enabled": false },
  withheld: { "security.workspace.trust.enabled": true, "security.workspace.trust.startupPrompt": "never" },
  asked: { "security.workspace.trust.enabled": true, "security.workspace.trust.startupPrompt": "always" },
};

/** Where screenshots are kept. */
const artifacts = resolve(import.meta.dirname, "../../../test-artifacts");

export class EditorWindow {
  readonly quickInput: QuickInput;
  readonly editor: TextEditor;
  readonly problems: Problems;
  readonly statusBar: StatusBar;
  readonly notifications: Notifications;
  readonly dialog: Dialog;

  private constructor(
    private readonly server: Server,
    private readonly context: BrowserContext,
    /** The browser's page, for all that has no name here. */
    readonly page: Page,
    /** The copy of the workspace that is open. */
    readonly folder: string,
    private readonly options: WindowOptions,
  ) {
    this.quickInput = new QuickInput(page);
    this.editor = new TextEditor(page, this.quickInput);
    this.problems = new Problems(page, this.quickInput);
    this.statusBar = new StatusBar(page);
    this.notifications = new Notifications(page, this.quickInput);
    this.dialog = new Dialog(page);
  }

  static async open(server: Server, browser: Browser, options: WindowOptions): Promise<EditorWindow> {
    const folder = join(mkdtempSync(join(server.folder, "workspace-")), basename(options.workspace));
    cpSync(options.workspace, folder, { recursive: true });
    const context = await browser.newContext({ viewport: { width: 1400, height: 900 } });
    const page = await context.newPage();
    const window = new EditorWindow(server, context, page, folder, options);
    const trust = trustSettings[options.trust ?? "given"];
    server.writeSettings({ ...quietSettings, ...trust, ...options.settings });
    // Changes that are not saved are lost without a question when a window closes or reloads.
    page.on("dialog", (dialog) => void dialog.accept());
    await window.notifications.record();
    await page.goto(`${server.url}?folder=${encodeURIComponent(folder)}`, { timeout: loading });
    await page.locator(".explorer-folders-view .monaco-list-row").first().waitFor({ timeout: loading });
    await window.waitUntilReady();
    return window;
  }

  private async waitUntilReady(): Promise<void> {
    await this.page.locator(".monaco-workbench .statusbar-item").first().waitFor({ timeout: loading });
    if (this.options.trust === "asked") await this.dialog.text();
    if (this.options.container !== undefined) {
      await activityTab(this.page, this.options.container).waitFor({ timeout: loading });
    }
  }

  /** Opens a file of the workspace, by its path in it. */
  async openFile(name: string): Promise<void> {
    await this.editor.open(name);
  }

  /** Runs a command of the palette by its whole label: `Kernelscope: Analyze Model`. */
  async runCommand(label: string): Promise<void> {
    await this.quickInput.runCommand(label);
  }

  /** A tree of the side bar, shown: `await window.tree("Kernelscope", "Models")`. */
  async tree(container: string, title: string): Promise<TreeView> {
    const tree = new TreeView(this.page, container, title);
    await tree.show();
    return tree;
  }

  /** The page of an extension in a panel that shows. */
  webview(extensionId: string, nth = 0): Webview {
    return new Webview(this.page, extensionId, nth);
  }

  /**
   * Changes settings of the workspace by editing their file. They take effect in their own time; not at all where the
   * window has only just opened and does not watch its files yet: what is to hold from the start is an option.
   */
  changeSettings(settings: Record<string, unknown>): void {
    const file = join(this.folder, ".vscode", "settings.json");
    const before = existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as object) : {};
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, JSON.stringify({ ...before, ...settings }, null, 2));
  }

  /** Changes the colour theme and waits until the window wears it. */
  async setColorTheme(theme: ColorTheme): Promise<void> {
    const highContrast = { Dark: "hc-black", Light: "hc-light" };
    const tone = theme.includes("Light") ? "Light" : "Dark";
    const kind = theme.includes("High Contrast") ? highContrast[tone] : { Dark: "vs-dark", Light: "vs" }[tone];
    this.changeSettings({ "workbench.colorTheme": theme });
    await this.page.locator(`.monaco-workbench.${kind}`).waitFor();
  }

  /** Reloads the window, as the command of that name does; the extensions start anew. */
  async reload(): Promise<void> {
    await this.page.evaluate("window.isOfBefore = true");
    await this.runCommand("Developer: Reload Window");
    await until("the window to reload", () => this.page.evaluate<boolean>("window.isOfBefore !== true"), {
      timeout: loading,
    });
    await this.waitUntilReady();
  }

  /** Keeps a picture of the window in test-artifacts/. */
  async screenshot(name: string): Promise<string> {
    mkdirSync(artifacts, { recursive: true });
    const path = join(artifacts, `${name}.png`);
    await this.page.screenshot({ path, animations: "disabled", caret: "initial" });
    return path;
  }

  /** Closes the window. The server ends its extension host, and whatever that has started. */
  async close(): Promise<void> {
    // Leaving the page is what tells the server that the window is gone for good.
    await this.page.goto("about:blank");
    await this.context.close();
  }
}
