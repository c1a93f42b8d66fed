// The box at the top of the window: command palette, file picker, and what commands ask with.
import type { Locator, Page } from "playwright-core";
import { clickOnce, matches, plain, textOf, until, type Pattern } from "./wait";

export interface QuickInputEntry {
  label: string;
  /** What stands beside the label. */
  description: string;
  /** What stands below the label. */
  detail: string;
}

/** What is used of the elements of the page. */
interface PageElement {
  readonly textContent: string | null;
  querySelector(selector: string): PageElement | null;
}

interface PageInput {
  value: string;
  dispatchEvent(event: Event): boolean;
}

export class QuickInput {
  /** The box itself, while it shows. */
  readonly box: Locator;
  private readonly input: Locator;
  private readonly rows: Locator;

  constructor(private readonly page: Page) {
    this.box = page.locator(".quick-input-widget").filter({ visible: true });
    this.input = this.box.locator(".quick-input-box input");
    this.rows = this.box.locator(".quick-input-list .monaco-list-row");
  }

  /** Runs a command of the palette by its whole label, such as `View: Show Explorer`. */
  async runCommand(label: string): Promise<void> {
    const entry = this.rows.filter({ has: this.page.locator(".label-name", { hasText: textOf(label) }) });
    await this.ask("F1", `>${label}`, `the command '${label}' in the palette`, async () => {
      if ((await entry.count()) === 0) return false;
      await clickOnce(entry.first());
      return true;
    });
  }

  /** Whether the palette offers a command now. */
  async offers(label: string): Promise<boolean> {
    let offered = false;
    const entry = this.rows.filter({ has: this.page.locator(".label-name", { hasText: textOf(label) }) });
    await this.ask("F1", `>${label}`, "the palette's list", async () => {
      const texts = await this.rows.locator(".label-name").allInnerTexts();
      // The list is filled in steps; something always matches or the palette says that nothing does.
      offered = (await entry.count()) > 0;
      return offered || texts.some((text) => text.startsWith("No matching")) || !texts.includes(label);
    });
    await this.cancel();
    return offered;
  }

  /** Opens the file picker with a text and takes what it lists first. `:12:5` goes to a line and column. */
  async goTo(text: string, entry?: Pattern): Promise<void> {
    await this.ask("ControlOrMeta+P", text, `'${text}' in the file picker`, async () => {
      const labels = await this.rows.locator(".label-name").allInnerTexts();
      if (labels.length === 0 || (entry !== undefined && !matches(plain(labels[0]), entry))) return false;
      await this.input.press("Enter", { timeout: 2000 });
      return true;
    });
  }

  /** Waits for a box that a command asks with, and gives its title and its placeholder or prompt. */
  async question(): Promise<string> {
    return until("a quick input", async () => {
      if (!(await this.input.isVisible())) return undefined;
      const [title, hint, message] = await Promise.all([
        this.box.locator(".quick-input-title").innerText(),
        this.input.getAttribute("placeholder"),
        this.box.locator(".quick-input-message").innerText(),
      ]);
      return plain([title, hint, message].filter(Boolean).join("\n"));
    });
  }

  /** The entries to pick from. */
  async entries(): Promise<QuickInputEntry[]> {
    await this.rows.first().waitFor();
    const entries = await this.rows.evaluateAll((rows: PageElement[]) =>
      rows.map((row) => {
        const [label, description, detail] = [
          ".label-name",
          ".label-description",
          ".quick-input-list-label-meta .label-name",
        ].map((selector) => row.querySelector(selector)?.textContent ?? "");
        return { label, description, detail };
      }),
    );
    return entries.map(({ label, description, detail }) => ({
      label: plain(label),
      description: plain(description),
      detail: plain(detail),
    }));
  }

  /** Picks the entry with this label. */
  async pick(label: Pattern): Promise<void> {
    const name = this.page.locator(".label-name", { hasText: textOf(label) });
    await until(`the entry '${String(label)}'`, async () => {
      await clickOnce(this.rows.filter({ has: name }).first());
      return true;
    });
  }

  /** Fills in a text without accepting it. */
  async fill(text: string): Promise<void> {
    await this.input.waitFor();
    await this.write(text);
  }

  /**
   * Not with playwright's own `fill`, which types into whatever has the focus by then: where the box is that of the command
   * before, on its way out, that is the editor again, and the text would stand in the user's file.
   */
  async write(text: string, options: { timeout?: number } = {}): Promise<void> {
    const set = (input: PageInput, value: string): void => {
      input.value = value;
      input.dispatchEvent(new Event("input", { bubbles: true }));
    };
    await this.input.evaluate(set, text, options);
  }

  /** Fills in a text and accepts it. */
  async answer(text: string): Promise<void> {
    await this.fill(text);
    await this.input.press("Enter");
  }

  /** What the box says about a text that it does not take. */
  async objection(): Promise<string> {
    const message = this.box.locator(".quick-input-message");
    return until("an objection", async () => {
      const severe = await this.box
        .locator(".quick-input-box .monaco-inputbox.error, .quick-input-message.severity-error")
        .count();
      const text = plain(await message.innerText());
      return severe > 0 && text !== "" ? text : undefined;
    });
  }

  async cancel(): Promise<void> {
    await until("the quick input to close", async () => {
      if ((await this.box.count()) === 0) return true;
      await this.page.keyboard.press("Escape");
      return false;
    });
  }

  /**
   * Opens the box by a key, fills it in, and repeats until `accept` has found and taken what it looks for: something
   * that opens meanwhile may take the focus, which closes the box, and the box that showed may have been that of the command
   * before, on its way out. It is opened anew now and then: what it lists is what
   * there was when it opened, and a file or an extension's command may be younger.
   */
  private async ask(key: string, text: string, what: string, accept: () => Promise<boolean>): Promise<void> {
    let opened = 0;
    await until(what, async () => {
      if (opened > 0 && Date.now() - opened > 3000) await this.cancel();
      if (!(await this.input.isVisible())) {
        await this.page.keyboard.press(key);
        await this.input.waitFor({ timeout: 2000 });
        opened = Date.now();
      }
      if ((await this.input.inputValue({ timeout: 2000 })) !== text) await this.write(text, { timeout: 2000 });
      return accept();
    });
  }
}
