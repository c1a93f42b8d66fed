// The text editor in front, and what extensions show in it.
import type { Locator, Page } from "playwright-core";
import { hintsOf, placeOf, readLines, shownText, sourceText, type LineText } from "./lines";
import type { QuickInput } from "./quick-input";
import { clickOnce, plain, textOf, until, type Pattern } from "./wait";

/**
 * Runs in the page: whether an element has been there for a while. A lens that VS Code draws anew is another element, and a
 * click in that very moment is lost.
 */
function hasRested(element: { seenAt?: number }): boolean {
  element.seenAt ??= performance.now();
  return performance.now() - element.seenAt > 400;
}

export class TextEditor {
  constructor(
    private readonly page: Page,
    private readonly quickInput: QuickInput,
  ) {}

  /** The editor that shows a file; without a name, the one in the group that has the focus. */
  area(name?: string): Locator {
    const group = name === undefined ? ".editor-group-container.active " : "";
    const uri = name === undefined ? "[data-uri]" : `[data-uri$="/${name}"]`;
    return this.page.locator(`${group}.editor-instance .monaco-editor${uri}`).filter({ visible: true }).first();
  }

  /** Opens a file of the workspace and gives its editor the focus. */
  async open(name: string): Promise<void> {
    await this.quickInput.goTo(name, name.split("/").at(-1));
    await until(`'${name}' in front`, async () => {
      const uri = await this.area().getAttribute("data-uri", { timeout: 2000 });
      return uri?.endsWith(`/${encodeURI(name)}`);
    });
    await this.focus();
  }

  /** Gives the focus to the editor in front. */
  async focus(): Promise<void> {
    const input = this.area().locator(".native-edit-context, textarea.inputarea").first();
    await until("the editor to have the focus", async () => {
      await input.focus({ timeout: 2000 });
      return (await this.area().locator("xpath=self::*[contains(@class, 'focused')]").count()) > 0;
    });
  }

  /** Puts the cursor at a line and column, counted from 1. */
  async goTo(line: number, column = 1): Promise<void> {
    await this.quickInput.goTo(`:${line}:${column}`);
    await until(`the cursor at ${line}:${column}`, async () => {
      const [at] = /\d+, Col \d+/.exec(await this.page.locator('[id="status.editor.selection"]').innerText()) ?? [];
      return at === `${line}, Col ${column}`;
    });
    await this.focus();
  }

  /** The lines in view, top to bottom, with the hints that extensions put into them. */
  async visibleLines(): Promise<LineText[]> {
    const lines = await readLines(this.area());
    return lines.map((line) => ({ line: line.line, text: shownText(line) }));
  }

  /** The text of the lines in view, as the file has it. */
  async visibleSource(): Promise<string> {
    return (await readLines(this.area())).map(sourceText).join("\n");
  }

  /** The line of the first visible text that matches. */
  async lineOf(text: string): Promise<number> {
    return until(`a line with '${text}'`, async () => {
      return (await this.visibleLines()).find((line) => line.text.includes(text))?.line;
    });
  }

  /** Types at the cursor. */
  async type(text: string): Promise<void> {
    await this.focus();
    await this.page.keyboard.type(text);
  }

  async press(key: string): Promise<void> {
    await this.focus();
    await this.page.keyboard.press(key);
  }

  /** Replaces a text of one line, and waits until it is done. */
  async replace(line: number, text: string, by: string): Promise<void> {
    await this.goTo(line);
    const before = await this.sourceLine(line);
    const start = before.indexOf(text);
    if (start < 0) throw new Error(`line ${line} has no '${text}' but is '${before}'`);
    await this.goTo(line, start + 1);
    for (const _ of text) await this.page.keyboard.press("Shift+ArrowRight");
    if (by === "") await this.page.keyboard.press("Delete");
    else await this.page.keyboard.insertText(by);
    const [first] = `${before.slice(0, start)}${by}${before.slice(start + text.length)}`.split("\n");
    await until(`line ${line} to be '${first}'`, async () => (await this.sourceLine(line)) === first);
  }

  /** The text of a line in view, as the file has it. */
  async sourceLine(line: number): Promise<string> {
    return until(`line ${line} in view`, async () => {
      const found = (await readLines(this.area())).find((one) => one.line === line);
      return found && sourceText(found);
    });
  }

  /** Saves the file in front, and waits until it is no longer marked as changed. */
  async save(): Promise<void> {
    await this.press("ControlOrMeta+S");
    await until("the file to be saved", async () => !(await this.isDirty()));
  }

  async undo(): Promise<void> {
    await this.press("ControlOrMeta+Z");
  }

  /** Whether the file in front has changes that are not saved. */
  async isDirty(): Promise<boolean> {
    return (await this.page.locator(".editor-group-container.active .tab.active.dirty").count()) > 0;
  }

  /** The hints that extensions show inside the lines in view; hints beside each other are one. */
  async inlayHints(): Promise<LineText[]> {
    return (await readLines(this.area())).flatMap(hintsOf);
  }

  /** The commands above lines in view, by their titles, from top to bottom. */
  async codeLenses(): Promise<string[]> {
    const titles = await this.area().locator(".codelens-decoration a[role=button]").allInnerTexts();
    return titles.map((title) => plain(title).trim());
  }

  /**
   * Runs the command above a line, and waits for what comes of it: by default other commands there, a question, or another
   * tab. A click is lost where VS Code draws the lens anew between the press of the button and its release; it is made
   * again then, as a user would.
   */
  async clickCodeLens(title: Pattern, happened?: () => Promise<boolean>): Promise<void> {
    const lenses = this.area().locator(".codelens-decoration a[role=button]");
    // That the lens itself appears is nothing that comes of a click
    let before: string | null = null;
    const isOther = happened ?? (async () => (await this.surroundings()) !== before);
    await until(`the code lens '${String(title)}' and what it does`, async () => {
      if (before !== null && (await isOther())) return true;
      const lens = lenses.filter({ hasText: textOf(title) }).first();
      if (!(await lens.evaluate(hasRested, undefined, { timeout: 2000 }))) return false;
      before ??= await this.surroundings();
      await clickOnce(lens);
      return until("it", isOther, { timeout: 5000 });
    });
  }

  /** What a command can be seen to change at once: the commands above lines, the tabs, and whether something is asked. */
  private async surroundings(): Promise<string> {
    const tabs = await this.page.locator(".tabs-container .tab").allInnerTexts();
    return JSON.stringify([await this.codeLenses(), tabs, await this.quickInput.box.count()]);
  }

  /**
   * Rests the mouse on a text and gives what the hover says, once it matches `having`: several extensions may
   * contribute, one after the other.
   */
  async hoverOn(text: string, having = /\S/, line?: number): Promise<string> {
    return until(`a hover on '${text}' with ${String(having)}`, async () => {
      const place = await this.placeOf(text, line);
      // A move is what opens a hover, and within a text it must not stand still.
      await this.page.mouse.move(place.x - 1, place.y);
      await this.page.mouse.move(place.x, place.y);
      try {
        return await until("it", () => this.shownHover(having), { timeout: 3000 });
      } catch (error) {
        await this.closeHover();
        throw error;
      }
    });
  }

  /** What the hover at the cursor says, opened by the keyboard. */
  async hoverAtCursor(having = /\S/): Promise<string> {
    return until(`a hover at the cursor with ${String(having)}`, async () => {
      await this.focus();
      await this.page.keyboard.press("ControlOrMeta+K");
      await this.page.keyboard.press("ControlOrMeta+I");
      return until("it", () => this.shownHover(having), { timeout: 3000 });
    });
  }

  /** Takes the mouse away and waits until no hover is left. */
  async closeHover(): Promise<void> {
    await until("the hover to close", async () => {
      await this.page.mouse.move(2, 2);
      await this.page.keyboard.press("Escape");
      return (await this.hovers().count()) === 0;
    });
  }

  /** The hovers that show, for a closer look. */
  hovers(): Locator {
    return this.page.locator(".monaco-hover").filter({ visible: true });
  }

  private async shownHover(having: RegExp): Promise<string | undefined> {
    const texts = await this.hovers().allInnerTexts();
    const text = texts.map(plain).join("\n").trim();
    return having.test(text) && !/^Loading\.\.\.$/m.test(text) ? text : undefined;
  }

  /** The middle of a text in view. */
  private async placeOf(text: string, line?: number): Promise<{ x: number; y: number }> {
    for (const one of await readLines(this.area())) {
      const place = line === undefined || one.line === line ? placeOf(one, text) : null;
      if (place !== null) return place;
    }
    throw new Error(`no '${text}' in view`);
  }

  /** The offers of the light bulb at the cursor. Leaves the menu open; `applyQuickFix` takes one. */
  async quickFixes(): Promise<string[]> {
    const rows = await this.openQuickFixes();
    const labels = await rows.allInnerTexts();
    return labels.map((label) => plain(label).trim());
  }

  /** Applies an offer of the light bulb at the cursor. */
  async applyQuickFix(title: Pattern): Promise<void> {
    await until(`the quick fix '${String(title)}'`, async () => {
      const rows = await this.openQuickFixes();
      const row = rows.filter({ hasText: textOf(title) });
      if ((await row.count()) === 0) {
        await this.page.keyboard.press("Escape");
        return false;
      }
      await clickOnce(row.first());
      return true;
    });
  }

  private async openQuickFixes(): Promise<Locator> {
    const rows = this.page.locator(".action-widget .monaco-list-row.action").filter({ visible: true });
    await until("quick fixes", async () => {
      if ((await rows.count()) > 0) return true;
      await this.press("ControlOrMeta+.");
      await rows.first().waitFor({ timeout: 3000 });
      return true;
    });
    return rows;
  }
}
