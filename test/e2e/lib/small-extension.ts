import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { zipSync } from "fflate";

/** Packages the extension of a folder, a manifest and a few scripts, into another folder. Gives the package's path. */
export function packageFolder(source: string, folder: string): string {
  const { publisher, name, version } = JSON.parse(readFileSync(join(source, "package.json"), "utf8")) as Record<
    "publisher" | "name" | "version",
    string
  >;
  const contents = readdirSync(source).map((file) => [`extension/${file}`, readFileSync(join(source, file))] as const);
  const manifest = `<?xml version="1.0" encoding="utf-8"?>
<PackageManifest Version="2.0.0" xmlns="http://schemas.microsoft.com/developer/vsx-schema/2011">
  <Metadata>
    <Identity Language="en-US" Id="${name}" Version="${version}" Publisher="${publisher}" />
    <DisplayName>${name}</DisplayName>
  </Metadata>
  <Installation><InstallationTarget Id="Microsoft.VisualStudio.Code" /></Installation>
  <Dependencies />
  <Assets><Asset Type="Microsoft.VisualStudio.Code.Manifest" Path="extension/package.json" Addressable="true" /></Assets>
</PackageManifest>
`;
  const types = `<?xml version="1.0" encoding="utf-8"?>
<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">
  <Default Extension=".json" ContentType="application/json" />
  <Default Extension=".js" ContentType="application/javascript" />
  <Default Extension=".vsixmanifest" ContentType="text/xml" />
</Types>
`;
  const text = (value: string): Uint8Array => new TextEncoder().encode(value);
  const file = join(folder, `${name}.vsix`);
  writeFileSync(
    file,
    zipSync({
      "extension.vsixmanifest": text(manifest),
      "[Content_Types].xml": text(types),
      ...Object.fromEntries(contents),
    }),
  );
  return file;
}
