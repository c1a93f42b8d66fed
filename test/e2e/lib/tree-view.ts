// A tree in the side bar, by the title of its view.
import type { Locator, Page } from "playwright-core";
import { clickOnce, plain, textOf, until, type Pattern } from "./wait";

export interface TreeRow {
  label: string;
  description: string;
  /** 1 for the roots. */
  level: number;
  /** null for a leaf. */
  expanded: boolean | null;
}

interface PageElement {
  readonly textContent: string | null;
  getAttribute(name: string): string | null;
  querySelector(selector: string): PageElement | null;
}

/** What shows a view container when it is clicked. */
export function activityTab(page: Page, container: string): Locator {
  // A key may stand behind the name
  const named = [`[aria-label="${container}"]`, `[aria-label^="${container} ("]`];
  return page.locator(named.map((name) => `.activitybar .action-label${name}`).join(", "));
}

export class TreeView {
  /** The view with its header. */
  readonly pane: Locator;
  private readonly list: Locator;

  constructor(
    private readonly page: Page,
    private readonly container: string,
    title: string,
  ) {
    const header = page.locator(".pane-header .title", { hasText: new RegExp(`^${title}$`) });
    this.pane = page.locator(".split-view-view > .pane").filter({ has: header }).filter({ visible: true });
    this.list = this.pane.locator(".monaco-list-row");
  }

  /** Shows the view's container in the side bar. */
  async show(): Promise<void> {
    const tab = activityTab(this.page, this.container);
    await until(`the view in ${this.container}`, async () => {
      if ((await this.pane.count()) > 0) return true;
      await clickOnce(tab);
      await this.pane.waitFor({ timeout: 3000 });
      return true;
    });
  }

  /** The rows in view, top to bottom. */
  async rows(): Promise<TreeRow[]> {
    const rows = await this.list.evaluateAll((all: PageElement[]) =>
      all.map((row) => ({
        label: row.querySelector(".label-name")?.textContent ?? "",
        description: row.querySelector(".label-description")?.textContent ?? "",
        level: Number(row.getAttribute("aria-level")),
        expanded: row.getAttribute("aria-expanded"),
        index: Number(row.getAttribute("data-index")),
      })),
    );
    return rows
      .sort((a, b) => a.index - b.index)
      .map(({ label, description, level, expanded }) => ({
        label: plain(label),
        description: plain(description),
        level,
        expanded: expanded === null ? null : expanded === "true",
      }));
  }

  /** What stands in a view that has no rows: its welcome text, and the labels of its buttons. */
  async welcome(): Promise<string> {
    return plain(await this.pane.locator(".welcome-view-content").innerText());
  }

  /** The first row in view with this label, once the rows have stopped moving. */
  async row(label: Pattern): Promise<Locator> {
    const name = this.page.locator(".label-name", { hasText: textOf(label) });
    const row = this.list.filter({ has: name }).first();
    let before = "";
    await until(
      `the row '${String(label)}'`,
      async () => {
        const now = JSON.stringify(await this.rows());
        const settled = now === before;
        before = now;
        return settled && (await row.count()) > 0;
      },
      { interval: 100 },
    );
    return row;
  }

  async expand(label: Pattern): Promise<void> {
    await this.setExpanded(label, "true");
  }

  async collapse(label: Pattern): Promise<void> {
    await this.setExpanded(label, "false");
  }

  private async setExpanded(label: Pattern, wanted: "true" | "false"): Promise<void> {
    await until(`'${String(label)}' to be ${wanted === "true" ? "expanded" : "collapsed"}`, async () => {
      const row = await this.row(label);
      if ((await row.getAttribute("aria-expanded", { timeout: 2000 })) === wanted) return true;
      await clickOnce(row.locator(".monaco-tl-twistie"));
      await until("it", async () => (await row.getAttribute("aria-expanded")) === wanted, { timeout: 2000 });
      return true;
    });
  }

  /** Clicks a row, which runs its command. */
  async click(label: Pattern): Promise<void> {
    await until(`to click '${String(label)}'`, async () => {
      await clickOnce((await this.row(label)).locator(".label-name"));
      return true;
    });
  }

  /** Clicks a button that a row shows while the mouse is on it, by its name. */
  async clickAction(label: Pattern, action: string): Promise<void> {
    await until(`to click '${action}' of '${String(label)}'`, async () => {
      const row = await this.row(label);
      await row.hover({ timeout: 2000 });
      await clickOnce(row.locator(`.actions .action-label[aria-label="${action}"]`));
      return true;
    });
  }

  /** Clicks a button of the view's header, by its name. */
  async clickTitleAction(action: string): Promise<void> {
    await until(`to click '${action}' of the view`, async () => {
      await this.pane.hover({ timeout: 2000 });
      await clickOnce(this.pane.locator(`.pane-header .action-label[aria-label="${action}"]`));
      return true;
    });
  }

  /** Takes an entry of a row's context menu. */
  async chooseFromMenu(label: Pattern, entry: string): Promise<void> {
    await until(`'${entry}' in the menu of '${String(label)}'`, async () => {
      await clickOnce(await this.row(label), { button: "right" });
      try {
        const entries = this.page.locator(
          `.monaco-menu .action-menu-item[aria-label="${entry}"], .monaco-menu .action-item:has(.action-label[aria-label="${entry}"])`,
        );
        await clickOnce(entries.first());
        return true;
      } catch (error) {
        await this.page.keyboard.press("Escape");
        throw error;
      }
    });
  }
}
