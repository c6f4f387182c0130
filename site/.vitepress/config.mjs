// How VitePress makes the site of the pages that site/build.mjs has gathered.
import Slugger from 'github-slugger';
import { defineConfig } from 'vitepress';
import { BASE, links, SOURCE } from '../links.mjs';
import { sidebar } from '../sidebar.mjs';

/** Two beliefs, one of them likelier. */
const ICON = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="7" fill="#2a5db0"/><path d="M9 25V7M23 25V18" stroke="#fff" stroke-width="6"/></svg>';

export default defineConfig({
  title: 'Tiresias',
  description: 'Decisions under uncertainty and ambiguity, for Node, with a Rust core',
  lang: 'en',
  base: BASE,
  head: [['link', { rel: 'icon', href: `data:image/svg+xml,${encodeURIComponent(ICON)}` }]],
  srcDir: 'staged',
  outDir: 'dist',
  cacheDir: 'staged/.cache',
  cleanUrls: true,
  // The index of the search is one file, fetched when the search is opened.
  vite: { build: { chunkSizeWarningLimit: 4096 } },
  markdown: {
    config: (md) => md.use(links),
    // Braces are braces: the documents are GitHub's Markdown, which knows no attributes.
    attrs: { disable: true },
    // The anchors that GitHub gives to headings.
    anchor: { slugify: (text) => new Slugger().slug(text) },
  },
  themeConfig: {
    search: { provider: 'local' },
    nav: [
      { text: 'Tutorials and guides', link: '/README', activeMatch: '^/(?:README|docs/(?!findings|benchmarks))' },
      { text: 'Findings', link: '/docs/findings/' },
      { text: 'Benchmarks', link: '/docs/benchmarks/' },
      { text: 'Gallery', link: '/gallery/' },
      { text: 'Reference', link: '/reference/' },
    ],
    sidebar: sidebar(),
    outline: [2, 3],
    socialLinks: [{ icon: 'github', link: SOURCE }],
    footer: { message: 'Apache-2.0 or MIT' },
  },
});
