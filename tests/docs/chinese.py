"""README.md and README.zh-CN.md side by side: what both must have, and the sentences of a run in Chinese."""

import re
import zlib
from collections import Counter
from dataclasses import dataclass

STAMP = re.compile(r"<!-- of README\.md: ([0-9a-f]{8}) -->")
"""Stands under every heading of the Chinese page: the checksum of the English section that it was written from."""
CODE = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)
GENERATED = re.compile(r"(<!-- reference -->\n).*(<!-- /reference -->)", re.DOTALL)

KIND = "fastest (?:from scratch|in PyTorch)"
FIRST = rf"(?P<a>[\w.:/-]+)(?: \((?P<akind>{KIND})\))?"
SECOND = rf"(?P<b>[\w.:/-]+) \((?:(?P<bkind>{KIND}); )?95 % CI (?P<ci>[^()]*)\)"
BOTH, GAP = (
    r"(?P<own>[\d.]+ %) vs (?P<other>[\d.]+ %)",
    r"\(difference (?P<gap>[^,()]*) points, 95 % CI (?P<ci>[^()]*)\)",
)
EXTENT = r"\((?P<examples>[\d,]+) training examples?, (?P<epochs>\d+) epochs?\)"
PHRASES = {
    r"Verified: each of (?P<n>\d+) checks passed; the largest error is (?P<share>[\d.]+) % of its tolerance "
    r"\((?P<what>[\w ]+) of (?P<a>[\w.:/-]+)\)": (
        "已验证：{n} 项检查全部通过；最大误差是容差的 {share} %（{a} 的{what}）"
    ),
    rf"(?P<title>[^(]+) {EXTENT}: (?P<time>.*?)\. (?P<rest>.*)": (
        "{title}（{examples} 个训练样本，{epochs} 个 epoch）：{time}。{rest}"
    ),
    "As published: the article's two networks": "As published，按原文：文章的两个网络",
    "Same recipe, same weights, same batches": "Same recipe，同一训练配置、同样的初始权重、同样的 batch",
    rf"{FIRST} is (?P<factor>[\d.,]+)× faster per epoch than {SECOND}": (
        "每个 epoch，{a}{akind} 的速度是 {b}{bkind} 的 {factor} 倍（95 % 置信区间 {ci}）"
    ),
    rf"no significant difference in time per epoch between {FIRST} and {SECOND}": (
        "{a}{akind} 与 {b}{bkind} 每个 epoch 的时间没有显著差异（95 % 置信区间 {ci}）"
    ),
    rf"(?P<a>[\w.:/-]+) is more accurate, {BOTH} {GAP}": (
        "{a} 的准确率更高，{own} 对 {other}（相差 {gap} 个百分点，95 % 置信区间 {ci}）"
    ),
    rf"Accuracies agree, {BOTH} {GAP}": "准确率一致，{own} 对 {other}（相差 {gap} 个百分点，95 % 置信区间 {ci}）",
    rf"Accuracies show no significant difference, {BOTH} {GAP}": (
        "准确率没有显著差异，{own} 对 {other}（相差 {gap} 个百分点，95 % 置信区间 {ci}）"
    ),
    r"Accuracy is the same for each seed, (?P<own>[\d.]+ %) on average": "每个随机种子下准确率都相同，平均 {own}",
    "fastest in PyTorch": "（PyTorch 中最快）",
    "fastest from scratch": "（手写版中最快）",
}
"""Sentences of :mod:`backprop_bench.bench.compare.answer`, and the same in Chinese.

Groups that are phrases themselves are looked up.
"""
WORDS = {"outputs": "输出", "gradients": "梯度", "weights": "权重"}


def in_chinese(sentence: str) -> str:
    """Return a sentence on a run in Chinese.

    Raises
    ------
    ValueError
        For one of which no translation is known; it then belongs to :data:`PHRASES`.
    """
    result = _phrase(sentence.removesuffix("."))
    if result is None:
        raise ValueError(f"README.zh-CN.md: tests/docs/chinese.py has no Chinese for {sentence!r}; add it to PHRASES")
    return _spaced(f"{result}。")


def _phrase(text: str) -> str | None:
    """Return a phrase in Chinese, and None where none is known."""
    for pattern, chinese in PHRASES.items():
        result = re.fullmatch(pattern, text)
        if result is not None:
            groups = {name: value or "" for name, value in result.groupdict().items()}
            inner = {name: _inner(name, value) for name, value in groups.items()}
            return None if None in inner.values() else chinese.format(**inner)
    return None


def _inner(name: str, value: str) -> str | None:
    """Return what a group holds in Chinese: clauses and what kind of a name must be known, numbers stay."""
    if name in ("title", "time", "rest", "akind", "bkind") and value:
        return _phrase(value)
    if name == "what":
        return WORDS.get(value, re.sub(r"^(\d+) steps$", r"\1 步", value))
    return value.replace(" to ", " 至 ")


def _spaced(text: str) -> str:
    """Return text without a space beside a full-width sign, or between two Chinese words."""
    return re.sub(r" (?=[（，。；：])|(?<=[），。；：]) |(?<=[一-龥]) (?=[一-龥])", "", text)


@dataclass(frozen=True)
class Section:
    """A heading and what stands under it."""

    level: int
    title: str
    text: str

    @property
    def checksum(self) -> str:
        """The checksum of the section as it was written, that is without what records say."""
        written = GENERATED.sub(r"\1\2", f"{self.title}\n{self.text.strip()}")
        return f"{zlib.crc32(written.encode()):08x}"

    @property
    def stamp(self) -> str | None:
        """The checksum of the section that this one was translated from."""
        result = STAMP.search(self.text)
        return result and result[1]

    def contents(self) -> Counter[str]:
        """Count what must be in both languages: commands, code, links, numbers, items and rows."""
        text = STAMP.sub("", self.text)
        result = Counter(f"command {line}" for block in CODE.findall(text) for line in commands(block))
        text = CODE.sub("", text)
        result += Counter(f"link to {target}" for target in re.findall(r"\]\(([^)\s]+)\)", text))
        text = re.sub(r"\]\([^)\s]+\)", "]", text)
        result += Counter(f"code {span}" for span in re.findall(r"`([^`]+)`", text))
        text = re.sub(r"`[^`]+`", "", text)
        result += Counter(f"number {number}" for number in re.findall(r"\d+(?:[.,]\d+)*", text))
        result["items of lists"] += len(re.findall(r"^\* ", text, re.MULTILINE))
        result["rows of tables"] += len(re.findall(r"^\|", text, re.MULTILINE))
        return result


def commands(block: str) -> list[str]:
    """Return the lines of a code block without what is said beside them."""
    return [re.split(r" #|\s{2,}", line.strip())[0].strip() for line in block.splitlines()[1:-1]]


def sections(page: str) -> list[Section]:
    """Cut a page at its headings; a line of code that begins with # is none."""
    code = [result.span() for result in CODE.finditer(page)]
    heads = [
        head
        for head in re.finditer(r"^(#+) (.*)\n", page, re.MULTILINE)
        if not any(start < head.start() < end for start, end in code)
    ]
    ends = [*(head.start() for head in heads[1:]), len(page)]
    return [Section(len(head[1]), head[2], page[head.end() : end]) for head, end in zip(heads, ends, strict=True)]


def stamped(chinese: str, english: str) -> str:
    """Return the Chinese page with the checksums of the English sections as they are now."""
    pairs = zip(sections(chinese), sections(english), strict=True)
    return "".join(
        f"{'#' * own.level} {own.title}\n<!-- of README.md: {other.checksum} -->\n\n{STAMP.sub('', own.text).lstrip()}"
        for own, other in pairs
    )
