// VitePress's own theme, with tables and code that fit a phone.
import DefaultTheme from 'vitepress/theme-without-fonts';
import './style.css';

export default DefaultTheme;
