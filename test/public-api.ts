// What a user of the package can name or reach: every export, the members of its type, and the types of those, as the compiler sees them.
import { fileURLToPath } from 'node:url';
import ts from 'typescript5';

/** An export, or a member of something that an export leads to. */
export interface ApiEntry {
  /** For instance `Solution.bounds`. */
  name: string;
  /** Whether a doc comment says what it is. */
  documented: boolean;
  /** Of a type's member or a parameter: the name alone. Exports have it too. */
  own: string;
  /** The type as text, aliases written out. */
  type: string;
}

const root = fileURLToPath(new URL('..', import.meta.url));

/** Walks the public types from `entry`, the path of a module or of a declaration file. */
export function publicApi(entry: string): ApiEntry[] {
  const program = ts.createProgram([entry], {
    target: ts.ScriptTarget.ES2023, lib: ['lib.es2023.d.ts', 'lib.dom.d.ts', 'lib.esnext.disposable.d.ts'], module: ts.ModuleKind.NodeNext, moduleResolution: ts.ModuleResolutionKind.NodeNext,
    strict: true, noEmit: true, skipLibCheck: true, types: ['node'], typeRoots: [`${root}node_modules/@types`],
  });
  const checker = program.getTypeChecker();
  const module = checker.getSymbolAtLocation(program.getSourceFile(entry)!);
  if (!module) throw new Error(`${entry} is not a module`);
  const entries = new Map<string, ApiEntry>();
  const seen = new Set<ts.Type>();

  const ours = (symbol: ts.Symbol | undefined): boolean =>
    symbol?.declarations?.some((declaration) => {
      const { fileName } = declaration.getSourceFile();
      return fileName.startsWith(root) && !fileName.includes('/node_modules/');
    }) ?? false;

  const add = (name: string, own: string, symbol: ts.Symbol, type: ts.Type) => {
    const documented = ts.displayPartsToString(symbol.getDocumentationComment(checker)).trim() !== '';
    entries.set(name, { name, own, documented, type: checker.typeToString(type, undefined, ts.TypeFormatFlags.NoTruncation | ts.TypeFormatFlags.InTypeAlias) });
  };

  const hidden = (symbol: ts.Symbol) =>
    symbol.name.startsWith('__') || symbol.name === 'prototype' ||
    (symbol.declarations?.some((d) => (ts.getCombinedModifierFlags(d) & (ts.ModifierFlags.Private | ts.ModifierFlags.Protected)) !== 0 || ((ts.isPropertyDeclaration(d) || ts.isMethodDeclaration(d)) && ts.isPrivateIdentifier(d.name))) ?? false);

  /** Members of a type of ours, and what they lead to. */
  const walk = (type: ts.Type, path: string): void => {
    if (seen.has(type)) return;
    seen.add(type);
    if (type.isUnionOrIntersection()) for (const part of type.types) walk(part, path);
    for (const argument of [...(checker.getTypeArguments(type as ts.TypeReference) ?? []), ...(type.aliasTypeArguments ?? [])]) walk(argument, path);
    for (const signature of [...type.getCallSignatures(), ...type.getConstructSignatures()]) walkSignature(signature, path);
    for (const index of checker.getIndexInfosOfType(type)) walk(index.type, path);
    const named = type.symbol && !/^__(type|object|function)$/.test(type.symbol.name) && ours(type.symbol) ? type.symbol.name : path;
    if (type.symbol && !ours(type.symbol) && !type.aliasSymbol) return;
    for (const member of type.getProperties()) {
      if (!ours(member) || hidden(member)) continue;
      const of = checker.getTypeOfSymbol(member);
      const own = member.name.replace(/^__@(\w+)@\d+$/, '[Symbol.$1]');
      add(`${named}.${own}`, own, member, of);
      walk(of, `${named}.${own}`);
    }
  };

  const walkSignature = (signature: ts.Signature, path: string) => {
    for (const parameter of signature.getParameters()) walk(checker.getTypeOfSymbol(parameter), `${path}(${parameter.name})`);
    walk(signature.getReturnType(), `${path}()`);
  };

  for (const exported of checker.getExportsOfModule(module)) {
    const symbol = exported.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(exported) : exported;
    if (symbol.flags & ts.SymbolFlags.Value) {
      const type = checker.getTypeOfSymbol(symbol);
      add(exported.name, exported.name, symbol, type);
      walk(type, exported.name);
    }
    if (symbol.flags & (ts.SymbolFlags.Type | ts.SymbolFlags.Class)) {
      const type = checker.getDeclaredTypeOfSymbol(symbol);
      add(exported.name, exported.name, symbol, type);
      walk(type, exported.name);
    }
  }
  return [...entries.values()];
}
