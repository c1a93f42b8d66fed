// Notifications: those that show, and all that ever showed in this window.
import type { Locator, Page } from "playwright-core";
import type { QuickInput } from "./quick-input";
import { clickOnce, plain, until } from "./wait";

export interface Notification {
  severity: "error" | "warning" | "info";
  message: string;
}

/** Runs in the page before anything else: notes every notification, however briefly it shows. */
const recorder = `
  window.seenNotifications = [];
  const noted = new WeakSet();
  const note = () => {
    for (const item of document.querySelectorAll(".notifications-toasts .notification-list-item")) {
      const message = item.querySelector(".notification-list-item-message")?.textContent;
      if (!message || noted.has(item)) continue;
      noted.add(item);
      const icon = item.querySelector(".notification-list-item-icon")?.className ?? "";
      const severity = /codicon-error/.test(icon) ? "error" : /codicon-warning/.test(icon) ? "warning" : "info";
      window.seenNotifications.push({ severity, message });
    }
  };
  new MutationObserver(note).observe(document, { childList: true, subtree: true });
`;

export class Notifications {
  private readonly toasts: Locator;

  constructor(
    private readonly page: Page,
    private readonly quickInput: QuickInput,
  ) {
    this.toasts = page.locator(".notifications-toasts .notification-list-item").filter({ visible: true });
  }

  /** Has to run before the page loads. */
  async record(): Promise<void> {
    await this.page.addInitScript({ content: recorder });
  }

  /** All notifications that showed since the window was loaded, also those that are gone. */
  async seen(): Promise<Notification[]> {
    const seen = await this.page.evaluate<Notification[]>("window.seenNotifications");
    return seen.map(({ severity, message }) => ({ severity, message: plain(message) }));
  }

  /** The texts of those that show. */
  async list(): Promise<string[]> {
    const texts = await this.toasts.locator(".notification-list-item-message").allInnerTexts();
    return texts.map(plain);
  }

  /** Waits for a notification whose message matches, and gives the message. */
  async waitFor(message: RegExp): Promise<string> {
    return until(`a notification ${String(message)}`, async () =>
      (await this.list()).find((text) => message.test(text)),
    );
  }

  /** The labels of the buttons of a notification. */
  async buttons(message: RegExp): Promise<string[]> {
    await this.waitFor(message);
    return (
      await this.toast(message).locator(".notification-list-item-buttons-container .monaco-button").allInnerTexts()
    ).map(plain);
  }

  /** Presses a button of a notification. */
  async press(message: RegExp, button: string): Promise<void> {
    await until(`to press '${button}' of the notification ${String(message)}`, async () => {
      const buttons = this.toast(message).locator(".notification-list-item-buttons-container .monaco-button");
      await clickOnce(buttons.getByText(button, { exact: true }));
      return true;
    });
  }

  /** Clears all notifications away, so that none covers what a test clicks. */
  async clear(): Promise<void> {
    await until("the notifications to clear", async () => {
      if ((await this.toasts.count()) === 0) return true;
      await this.quickInput.runCommand("Notifications: Clear All Notifications");
      return until("it", async () => (await this.toasts.count()) === 0, { timeout: 3000 });
    });
  }

  private toast(message: RegExp): Locator {
    const text = this.page.locator(".notification-list-item-message", { hasText: message });
    return this.toasts.filter({ has: text }).first();
  }
}
