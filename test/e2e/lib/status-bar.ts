// An item of the status bar, by its id: publisher.extension.item for an extension's, such as `kernelscope.kernelscope.state`.
import type { Locator, Page } from "playwright-core";
import { plain, until } from "./wait";

export class StatusBar {
  constructor(private readonly page: Page) {}

  item(id: string): Locator {
    return this.page.locator(`.statusbar-item[id="${id}"]`);
  }

  /** The text that an item shows, without its icons. */
  async text(id: string): Promise<string> {
    return plain(await this.item(id).innerText()).trim();
  }

  async waitForText(id: string, text: RegExp): Promise<string> {
    return until(`the status bar's ${id} to read ${String(text)}`, async () => {
      const shown = await this.text(id);
      return text.test(shown) ? shown : undefined;
    });
  }

  async click(id: string): Promise<void> {
    await this.item(id).locator("a").click();
  }

  /** What the item's tooltip says. It stays open, so that its links can be clicked: `tooltip` gives it as an element too. */
  async tooltipText(id: string, having = /\S/): Promise<string> {
    return until(`a tooltip of ${id} with ${String(having)}`, async () => {
      await this.page.mouse.move(2, 2);
      await this.item(id).hover({ timeout: 2000 });
      await this.tooltip().waitFor({ timeout: 3000 });
      const text = plain(await this.tooltip().innerText({ timeout: 2000 }));
      return having.test(text) ? text : undefined;
    });
  }

  /** The tooltip that is open. */
  tooltip(): Locator {
    return this.page.locator(".monaco-hover").filter({ visible: true }).first();
  }
}
