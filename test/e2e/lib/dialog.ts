// The modal dialog in front, such as that which asks for trust.
import type { Locator, Page } from "playwright-core";
import { plain, until } from "./wait";

export class Dialog {
  private readonly box: Locator;

  constructor(page: Page) {
    this.box = page.locator(".monaco-dialog-box").filter({ visible: true });
  }

  /** Waits for a dialog and gives its text. */
  async text(): Promise<string> {
    await this.box.waitFor();
    return plain(await this.box.locator(".dialog-message-container").innerText()).trim();
  }

  async buttons(): Promise<string[]> {
    await this.box.waitFor();
    return (await this.box.locator(".dialog-buttons .monaco-button").allInnerTexts()).map((text) => plain(text).trim());
  }

  /** Presses a button and waits until the dialog is gone. */
  async press(button: string | RegExp): Promise<void> {
    await this.box.locator(".dialog-buttons").getByRole("button", { name: button, exact: true }).click();
    await this.box.waitFor({ state: "hidden" });
  }

  async isOpen(): Promise<boolean> {
    return (await this.box.count()) > 0;
  }

  /** Answers whether the authors of the workspace are trusted. */
  async answerTrust(trusted: boolean): Promise<void> {
    await until("the question whether the authors are trusted", async () => /trust/i.test(await this.text()));
    await this.press(trusted ? /^Yes/ : /^No/);
  }
}
