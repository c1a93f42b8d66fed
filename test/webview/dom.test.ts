import { build } from "esbuild";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { executable, launch } from "./browser";

let browser: Browser;
let page: Page;
let script: string;

describe.skipIf(executable === undefined)("what is described becomes the document", () => {
  beforeAll(async () => {
    const bundle = await build({
      entryPoints: ["webview/dom.ts"],
      bundle: true,
      format: "iife",
      globalName: "dom",
      write: false,
    });
    script = bundle.outputFiles[0].text;
    browser = await launch();
    page = await browser.newPage();
  });
  afterAll(() => browser.close());
  beforeEach(async () => {
    await page.setContent("<main></main>");
    await page.evaluate(`${script}; window.h = dom.h; window.show = (...children) => dom.render(main(), ...children);
      window.main = () => document.querySelector("main");
      window.list = (...keys) => h("ul", {}, keys.map((key) => h("li", { key }, h("button", {}, key))));`);
  });

  const html = (): Promise<string> => page.evaluate("main().innerHTML");

  test("children are text, numbers, elements, lists or nothing", async () => {
    await page.evaluate(`show("a", 1, null, false, [h("b", {}, "c"), [h("i")]])`);
    expect(await html()).toBe("a1<b>c</b><i></i>");
    await page.evaluate(`show(h("i"))`);
    expect(await html()).toBe("<i></i>");
  });

  test("attributes are set and taken away", async () => {
    await page.evaluate(`show(h("a", { class: "x", hidden: true, title: null }))`);
    expect(await html()).toBe(`<a class="x" hidden=""></a>`);
    await page.evaluate(`show(h("a", { class: "y", hidden: false, title: "t" }))`);
    expect(await html()).toBe(`<a class="y" title="t"></a>`);
  });

  test("variables are set and taken away", async () => {
    const value = (): Promise<string> => page.evaluate(`main().firstChild.style.getPropertyValue("--part")`);
    await page.evaluate(`show(h("a", { variables: { "--part": "0.5" } }))`);
    expect(await value()).toBe("0.5");
    await page.evaluate(`show(h("a"))`);
    expect(await value()).toBe("");
  });

  test("what no attribute sets is set as a property", async () => {
    await page.evaluate(`show(h("input", { ".value": "v" }))`);
    expect(await page.inputValue("input")).toBe("v");
    expect(await html()).toBe("<input>");
  });

  test("drawings are made as such", async () => {
    await page.evaluate(`show(h("svg", {}, h("rect")))`);
    expect(await page.evaluate("main().firstChild.firstChild instanceof SVGRectElement")).toBe(true);
  });

  test("only the newest listener hears", async () => {
    await page.evaluate(`window.heard = []`);
    for (const name of ["first", "second"]) {
      await page.evaluate(`show(h("button", { on: { click: () => heard.push("${name}") } }))`);
    }
    await page.click("button");
    await page.evaluate(`show(h("button"))`);
    await page.click("button");
    expect(await page.evaluate("heard")).toEqual(["second"]);
  });

  test("elements with a key stay themselves, and keep the focus wherever they go", async () => {
    await page.evaluate(`show(list("a", "b", "c", "d")); window.before = [...document.querySelectorAll("li")]`);
    await page.focus("li:nth-child(3) button");
    await page.evaluate(`show(list("c", "x", "a"))`);
    expect(await page.evaluate(`[...document.querySelectorAll("li")].map((li) => before.indexOf(li))`)).toEqual([
      2, -1, 0,
    ]);
    expect(await page.evaluate("document.activeElement.textContent")).toBe("c");
    expect(await page.textContent("ul")).toBe("cxa");
  });

  test("rows behind removed ones are not moved", async () => {
    await page.evaluate(`show(list("a", "b", "c", "d")); window.moved = [];
      new MutationObserver((records) => records.forEach(({ addedNodes }) => moved.push(addedNodes.length)))
        .observe(document.querySelector("ul"), { childList: true })`);
    await page.evaluate(`show(list("c", "d"))`);
    expect(await page.evaluate("moved")).toEqual([0, 0]);
  });

  test("what is being typed, and how far a list is scrolled, stay", async () => {
    await page.evaluate(`window.form = (title) => show(h("h1", {}, title), h("input"), h("textarea", { rows: 2 }))`);
    await page.evaluate(`form("one")`);
    await page.fill("input", "typed");
    await page.fill("textarea", "1\n2\n3\n4\n5\n6");
    await page.evaluate(`document.querySelector("textarea").scrollTop = 20`);
    await page.evaluate(`form("two")`);
    expect(await page.textContent("h1")).toBe("two");
    expect(await page.inputValue("input")).toBe("typed");
    expect(await page.evaluate(`document.querySelector("textarea").scrollTop`)).toBe(20);
  });

  test("the same description again changes nothing", async () => {
    await page.evaluate(`window.same = h("section", {}, h("b", {}, "x")); show(same)`);
    await page.evaluate(`document.querySelector("b").textContent = "y"; show(same)`);
    expect(await html()).toBe("<section><b>y</b></section>");
    await page.evaluate(`show(h("section", {}, h("b", {}, "z")))`);
    expect(await html()).toBe("<section><b>z</b></section>");
  });

  test("an element that looks after its own children keeps them", async () => {
    await page.evaluate(`show(h("section", { own: true, title: "a" }))`);
    await page.evaluate(`main().firstChild.append("mine")`);
    await page.evaluate(`show(h("section", { own: true, title: "b" }))`);
    expect(await html()).toBe(`<section title="b">mine</section>`);
  });
});
