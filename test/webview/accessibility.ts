import axe, { type AxeResults } from "axe-core";
import type { Page } from "playwright-core";

/**
 * What axe finds wrong with a page's accessibility; a line for each element.
 * @param within a selector of the only part that is looked at; without it, the whole page
 */
export async function violations(page: Page, within?: string): Promise<string[]> {
  if (!(await page.evaluate<boolean>("'axe' in window"))) await page.evaluate(axe.source);
  const part = within === undefined ? "document" : `document.querySelector(${JSON.stringify(within)})`;
  const { violations: found } = await page.evaluate<AxeResults>(`axe.run(${part})`);
  return found.flatMap(({ id, nodes }) => nodes.map(({ html, failureSummary }) => `${id}: ${html} ${failureSummary}`));
}
