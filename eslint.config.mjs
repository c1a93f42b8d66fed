// @ts-check
import { existsSync, readdirSync } from "node:fs";
import js from "@eslint/js";
import { defineConfig } from "eslint/config";
import { createNodeResolver, importX } from "eslint-plugin-import-x";
import tseslint from "typescript-eslint";

/**
 * Which folders of the sidecar each folder may import. Imports run downward only. `cli.ts` and `main.ts`, which wire
 * everything, and tests may import anything.
 */
const mayImport = {
  graph: [],
  primitives: ["graph"],
  transforms: ["graph", "primitives"],
  quantities: ["graph", "primitives", "transforms"],
  planner: ["graph", "primitives", "transforms", "quantities"],
  analysis: ["graph", "primitives", "transforms", "quantities", "planner", "sources", "engines", "protocol"],
  server: [
    ...["graph", "primitives", "transforms", "quantities", "planner", "analysis"],
    ...["sources", "engines", "protocol", "formats", "kernel", "cache", "devices", "worker", "setup"],
  ],
  kernel: ["graph"],
  formats: ["graph", "protocol"],
  cache: [],
  engines: ["graph", "primitives", "transforms", "cache"],
  sources: ["graph", "primitives", "transforms", "cache", "protocol", "engines", "formats"],
  worker: [
    ...["graph", "primitives", "transforms", "quantities", "planner", "analysis"],
    ...["sources", "engines", "protocol", "formats", "kernel", "cache", "devices"],
  ],
  devices: ["graph"],
  setup: ["graph", "cache", "engines"],
  cli: [
    ...["graph", "primitives", "transforms", "quantities", "planner", "analysis"],
    ...["sources", "engines", "protocol", "formats", "kernel", "cache", "devices", "worker", "setup"],
  ],
  protocol: ["graph"],
};

const sidecar = existsSync("sidecar") ? readdirSync("sidecar", { withFileTypes: true }) : [];
for (const { name } of sidecar.filter((entry) => entry.isDirectory())) {
  if (!(name in mayImport)) throw new Error(`sidecar/${name}: say in eslint.config.mjs what this folder may import`);
}

const zones = [
  ...Object.entries(mayImport).map(([folder, below]) => ({
    target: `sidecar/${folder}`,
    from: ".",
    except: ["node_modules", `sidecar/${folder}`, ...below.map((other) => `sidecar/${other}`)],
    message: `sidecar/${folder} may import ${below.length > 0 ? below.join(", ") : "nothing else of ours"}.`,
  })),
  ...["extension", "webview"].map((folder) => ({
    target: folder,
    from: ".",
    except: ["node_modules", folder, "sidecar/protocol"],
    message: `${folder} may import nothing from the sidecar but sidecar/protocol.`,
  })),
  {
    target: "sidecar",
    from: ".",
    except: ["node_modules", "sidecar", "package.json"],
    message: "The sidecar imports nothing from the rest of the repository.",
  },
];

export default defineConfig(
  { ignores: ["dist/", "coverage/", "node_modules/", "test-artifacts/", "**/fixtures/"] },
  { linterOptions: { reportUnusedDisableDirectives: "error" } },
  js.configs.recommended,
  tseslint.configs.strictTypeChecked,
  tseslint.configs.stylisticTypeChecked,
  {
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      eqeqeq: "error",
      "@typescript-eslint/no-invalid-void-type": ["error", { allowAsThisParameter: true }],
      "@typescript-eslint/consistent-type-imports": "error",
      "@typescript-eslint/explicit-module-boundary-types": "error",
      "@typescript-eslint/switch-exhaustiveness-check": ["error", { considerDefaultExhaustiveForUnions: true }],
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true, allowBoolean: true }],
      "@typescript-eslint/no-confusing-void-expression": ["error", { ignoreArrowShorthand: true }],
      "@typescript-eslint/no-unused-vars": ["error", { argsIgnorePattern: "^_", varsIgnorePattern: "^_" }],
      // Indexing an array yields its element type here (noUncheckedIndexedAccess is off), so this rule would call
      // needed checks needless.
      "@typescript-eslint/no-unnecessary-condition": "off",
      // A value that the code before has made sure of: `!` says so.
      "@typescript-eslint/no-non-null-assertion": "off",
      // `||` on purpose: an empty environment variable or option counts as none.
      "@typescript-eslint/prefer-nullish-coalescing": ["error", { ignorePrimitives: { string: true } }],
    },
  },
  {
    files: ["**/*.ts"],
    ignores: ["**/*.test.ts"],
    plugins: { "import-x": importX },
    settings: { "import-x/resolver-next": [createNodeResolver({ extensions: [".ts", ".mjs", ".js", ".json"] })] },
    rules: {
      "import-x/no-restricted-paths": ["error", { basePath: import.meta.dirname, zones }],
      "import-x/no-cycle": "error",
    },
  },
  {
    files: ["sidecar/protocol/**/*.ts"],
    ignores: ["sidecar/protocol/{text,options,pytorch}.ts", "**/*.test.ts"],
    rules: {
      "no-restricted-syntax": [
        "error",
        {
          selector: "VariableDeclaration, FunctionDeclaration, ClassDeclaration, TSEnumDeclaration",
          message: "sidecar/protocol holds types only.",
        },
        { selector: 'ImportDeclaration[importKind!="type"]', message: "sidecar/protocol imports types only." },
      ],
    },
  },
  {
    files: ["**/*.mjs"],
    rules: {
      "no-undef": "off",
      "@typescript-eslint/explicit-module-boundary-types": "off",
      // JSON and dynamic modules are untyped in plain JavaScript.
      "@typescript-eslint/no-unsafe-argument": "off",
      "@typescript-eslint/no-unsafe-assignment": "off",
      "@typescript-eslint/no-unsafe-call": "off",
      "@typescript-eslint/no-unsafe-member-access": "off",
      "@typescript-eslint/no-unsafe-return": "off",
    },
  },
);
