import pytest

from strmctl.datasets.names import is_left_out, is_unfinished

LEFT_BEHIND = (
    *("._00001.jpg", ".DS_Store", "__MACOSX", ".AppleDouble", ".Spotlight-V100", ".fseventsd", ".Trashes", "Icon\r"),
    *("Thumbs.db", "THUMBS.DB", "ehthumbs.db", "ehthumbs_vista.db", "desktop.ini", "$RECYCLE.BIN", "~$clips.docx"),
    *("System Volume Information", "found.000", "lost+found", ".Trash-1000", ".nfs00a1", ".directory", ".~lock.a.csv#"),
    *("@eaDir", ".@__thumb", "#recycle", "@Recycle", "@Recently-Snapshot", "#snapshot", "~snapshot"),
    *("1.jpg@SynoEAStream", ".stfolder", ".sync", ".dropbox.cache", ".git", "Network Trash Folder"),
)
HALVES = (
    *("1.jpg.part", "a.mp4.part-Frag12", "a.mp4.ytdl", "a.mp4.crdownload", "a.mp4.download", "a.mp4.PARTIAL"),
    *("a.mp4.aria2", "a.mp4.filepart", "a.mp4.!ut", "~syncthing~a.mp4.tmp"),
)
DATA = (
    *("00001.jpg", "a.mp4", "thumbs up", "Thumbs.mp4", "recycle", "recycling", "found", "lost and found", "desktop"),
    *("-aB_c.mp4", "_x", "#1", "@home", "~", "$5", "part", "apart.jpg", "download", "download.mp4", "git", "System"),
)


@pytest.mark.parametrize("name", LEFT_BEHIND)
def test_what_systems_leave_behind_is_left_out(name):
    assert is_left_out(name) and not is_unfinished(name)


@pytest.mark.parametrize("name", HALVES)
def test_halves_of_downloads_are_known(name):
    assert is_unfinished(name) and not is_left_out(name)


@pytest.mark.parametrize("name", DATA)
def test_other_names_are_data(name):
    assert not is_left_out(name) and not is_unfinished(name)
