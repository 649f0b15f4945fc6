"""A draft in simplified Chinese: 草地上一个穿橙色衣服的人和一个球. Measure words, order, 两 for two."""

from __future__ import annotations

from workers.models.lite.captions.draft import MANY, Draft, Part, Setting

NUMBERS = ("零", "一", "两", "三", "四", "五", "六", "七", "八", "九", "十")
COLOURS = {
    "red": "红色", "orange": "橙色", "yellow": "黄色", "green": "绿色", "blue": "蓝色", "purple": "紫色", "pink": "粉色",
    "brown": "棕色", "white": "白色", "grey": "灰色", "black": "黑色", "dark": "深色",
}  # fmt: skip
SETTINGS: dict[Setting, str] = {
    "under a blue sky": "蓝天下",
    "in a blue sky": "蓝天中",
    "under a pale sky": "浅色天空下",
    "on grass": "草地上",
    "outdoors": "户外",
    "indoors": "室内",
    "green background": "绿色背景前",
    "dark background": "深色背景前",
    "white background": "白色背景前",
}


def chinese(draft: Draft) -> str | None:
    """None where a word has no Chinese."""
    parts = [part for part in (draft.subject, draft.second) if part is not None]
    if any(part.noun.zh is None for part in parts):
        return None
    text = phrase(draft.subject)
    if draft.second is not None:
        second = phrase(draft.second)
        if draft.relation == "beside":
            text = f"{second}旁的{text}"
        elif draft.relation == "in front of":
            text = f"{second}前的{text}"
        else:
            text = f"{text}和{second}"
    if draft.setting is not None:
        text = f"{SETTINGS[draft.setting]}的{text}"
    if draft.shot is not None:
        text += "的特写" if draft.shot == "close-up" else "的肖像"
    return f"{text}，黑白照片" if draft.black_and_white else text


def phrase(part: Part) -> str:
    """一辆蓝色的公交车, 三个人, 几个人, 水果, 一个穿深色衣服的人."""
    noun = f"{COLOURS[part.colour]}的{part.noun.zh}" if part.colour else str(part.noun.zh)
    if part.worn is not None:
        noun = f"穿{COLOURS[part.worn]}衣服的{noun}"
    if not part.noun.measure:
        return noun
    if part.number == MANY:
        return f"几{part.noun.measure}{noun}"
    return f"{NUMBERS[part.number]}{part.noun.measure}{noun}" if part.number < len(NUMBERS) else f"许多{noun}"
