// SPDX-License-Identifier: MPL-2.0
import globals from "globals";
import tseslint from "typescript-eslint";

export default tseslint.config(
  { ignores: ["dist/", "docs/", "node_modules/"] },
  {
    files: ["**/*.ts"],
    extends: [tseslint.configs.strictTypeChecked, tseslint.configs.stylisticTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      "no-console": ["error", { allow: ["error", "debug"] }],
      "max-lines": ["error", { max: 400, skipBlankLines: true }],
      "max-lines-per-function": ["error", { max: 60 }],
      "@typescript-eslint/explicit-module-boundary-types": "error",
      // Values are what they are: a number or a boolean in a text needs no ceremony.
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true, allowBoolean: true }],
      // `() => call()` is how a handler is written, whether or not the call gives something back.
      "@typescript-eslint/no-confusing-void-expression": ["error", { ignoreArrowShorthand: true }],
      // A session that does nothing at one step says so with an empty method.
      "@typescript-eslint/no-empty-function": ["error", { allow: ["overrideMethods"] }],
    },
  },
  {
    // Listener objects and browsers of other versions are what they are, whatever the types say.
    files: ["src/**/*.ts", "page/**/*.ts"],
    rules: { "@typescript-eslint/no-unnecessary-condition": "off" },
  },
  {
    files: ["test/**/*.ts", "e2e/**/*.ts"],
    rules: { "max-lines-per-function": "off" },
  },
  { files: ["**/*.mjs"], languageOptions: { globals: globals.node } },
);
