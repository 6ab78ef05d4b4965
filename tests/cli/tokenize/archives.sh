#!/usr/bin/env bash
# Every container and nesting: what is found in it, and under which name; damage; limits.
. "$LLM_SRC/tests/lib.sh"
PATH="$LLM_BIN/tests/tools:$PATH"

mkdir -p d/sub
printf 'alpha\n' >d/a.txt
printf 'beta beta\n' >d/sub/日本語.txt
: >d/sub/empty
head -c 200000 /dev/urandom | od -An -tx1 >d/z.txt
ln d/a.txt d/hard
ln -s a.txt d/soft
Z=$(stat -c %s d/z.txt)
tar --sort=name -cf t.tar d
for c in gzip bzip2 xz zstd; do
    $c -c t.tar >t.tar.$c
    $c -c d/a.txt >a.$c
    $c </dev/null >none.$c
done
python3 - <<'P'
import zipfile
z = zipfile.ZipFile("z.zip", "w", zipfile.ZIP_DEFLATED)
z.write("d/a.txt", "x/a.txt")
z.writestr("日本.txt", "zip\n")
z.write("t.tar.gzip", "in/t.tgz")
z.close()
z = zipfile.ZipFile("s.epub", "w", zipfile.ZIP_STORED)
z.writestr("mimetype", "application/epub+zip")
z.write("d/a.txt", "OEBPS/a.xhtml")
z.close()
P
printf '2.0\n' >debian-binary
gzip -c d/a.txt >man.1.gz
tar cJf data.tar.xz man.1.gz z.zip
tar czf control.tar.gz debian-binary
printf '!<arch>\n' >p.deb # ar(1) may not be there
for m in debian-binary control.tar.gz data.tar.xz; do
    printf '%-16s%-12s%-6s%-6s%-8s%-10s`\n' "$m" 0 0 0 100644 "$(stat -c %s $m)" >>p.deb
    cat $m >>p.deb
    [ $(($(stat -c %s $m) % 2)) -eq 0 ] || printf '\n' >>p.deb
done

in_tar() { # NAME: what t.tar holds, as members of NAME
    printf '6 %s!d/a.txt\n10 %s!d/sub/日本語.txt\n0 %s!d/sub/empty\n%s %s!d/z.txt\n' \
        "$1" "$1" "$1" "$Z" "$1" | sort
}
for c in gzip bzip2 xz zstd; do
    is "$c" "$(members a.$c)" "6 a.$c"
    is "tar in $c" "$(members t.tar.$c | grep -v hard | sort)" "$(in_tar t.tar.$c)"
    is "nothing in $c" "$(members none.$c)" "0 none.$c"
done
is "tar" "$(members t.tar | grep -v hard | sort)" "$(in_tar t.tar)"
is "links in a tar are not read twice" "$(members t.tar | grep -c '^6 ')" 1
is "gzip in gzip" "$(gzip -c a.gzip >gg; members gg)" "6 gg"
is "two gzip members" "$(cat a.gzip a.gzip >ggg; members ggg)" "12 ggg"
is "two tars in one file" "$(cat t.tar t.tar | members - | wc -l)" 8
is "zip" "$(members z.zip | sort)" "$({ printf '6 z.zip!x/a.txt\n4 z.zip!日本.txt\n'
    members t.tar | sed 's/t.tar!/z.zip!in\/t.tgz!/'; } | sort)"
is "epub" "$(members s.epub | tail -n 1)" "6 s.epub!OEBPS/a.xhtml"
is "deb" "$(members p.deb | head -n 3)" "4 p.deb!debian-binary
4 p.deb!control.tar.gz!debian-binary
6 p.deb!data.tar.xz!man.1.gz"
is "jar in a deb" "$(members p.deb | grep -c 'p.deb!data.tar.xz!z.zip!')" \
    "$(members z.zip | wc -l)"
is "standard input" "$(members - <p.deb | head -n 1)" "4 standard input!debian-binary"
is "a file as standard input" "$(members - <t.tar.zstd | wc -l)" 4

# directories
is "a directory in sorted order, links to files followed" "$(members d)" "6 d/a.txt
6 d/hard
6 d/soft
0 d/sub/empty
10 d/sub/日本語.txt
$Z d/z.txt"
ln -s ../d d/loop
ln -s nowhere d/dangling
is "links to directories and to nothing are not followed" "$(members d | wc -l)" 6
rm d/loop d/dangling
mkfifo d/fifo
is "a FIFO in a directory is passed over" "$(timeout 10 bash -c members\ d | wc -l)" 6
rm d/fifo
is "a missing file, and on" "$(members nothing d/a.txt)" "error 1: nothing: No such file or directory
6 d/a.txt"

# globs
is "--include: a name at the end of the chain" "$(INCLUDE='*.1.gz' members p.deb)" \
    "6 p.deb!data.tar.xz!man.1.gz"
is "--include: a container takes what is in it" "$(INCLUDE='*.zip' members p.deb | wc -l)" \
    "$(members z.zip | wc -l)"
is "--include: a whole chain" "$(INCLUDE='*!z.zip!x/*' members p.deb)" \
    "6 p.deb!data.tar.xz!z.zip!x/a.txt"
is "--include: a base name" "$(INCLUDE='a.txt' members d p.deb | wc -l)" 3
is "--exclude: a container" "$(EXCLUDE='data.tar.*' members p.deb | wc -l)" 2
is "--exclude: members" "$(EXCLUDE='*.txt' members p.deb | wc -l)" 4
mkdir -p ja
cp p.deb ja
is "the directory of an archive says nothing of its members" \
    "$(INCLUDE='*ja/*' members ja/p.deb | wc -l)" 0

# damage: whatever is cut or flipped is found, and what stands before it is read
for c in gzip bzip2 xz zstd; do
    n=$(stat -c %s t.tar.$c)
    missed=
    for k in 12 20 30 $((n / 3)) $((n / 2)) $((n - 9)) $((n - 4)) $((n - 1)); do
        head -c "$k" t.tar.$c >short
        members short | grep -q '^error 3: short: ' || missed="$missed $k"
    done
    is "$c cut short is found" "$missed" ""
    missed=
    for k in $((n / 4)) $((n / 2)) $((n - 2)); do
        python3 -c "d=bytearray(open('t.tar.$c','rb').read()); d[$k]^=4; open('flip','wb').write(d)"
        members flip | grep -q '^error 3: flip' || missed="$missed $k"
    done
    is "$c with a flipped bit is found" "$missed" ""
done
n=$(stat -c %s t.tar)
head -c $((n - 10240 - 1000)) t.tar >short
members short >found
like "tar cut short" "$(grep error found)" '^error 3: short.*: tar: Truncated'
head -c "$(($(stat -c %s z.zip) / 2))" z.zip >short
like "zip cut short" "$(members short | grep error)" '^error 3: short.*zip: '
python3 -c "d=bytearray(open('z.zip','rb').read()); d[40]^=4; open('flip','wb').write(d)"
members flip >found
like "zip with a flipped bit" "$(grep error found)" '^error 3: flip!x/a.txt: zip: '
is "only that member is lost" "$(grep -vc error found)" "$(($(members z.zip | wc -l) - 1))"
cp a.gzip trailing
printf 'what' >>trailing
like "bytes behind gzip" "$(members trailing)" '^error 3: trailing: gzip: what follows'

# limits
head -c 300M /dev/zero | gzip -9 >bomb.gz
is "a bomb stops, the next file is read" "$(members bomb.gz a.gzip)" \
    "error 3: bomb.gz: expands more than 1000 times (--max-ratio)
6 a.gzip"
gzip -c bomb.gz | xz -c >bomb.xz
like "a bomb in layers" "$(members bomb.xz)" '^error 3: bomb.xz: expands more'
is "a low ratio is left alone below 64 MB" "$(RATIO=2 members t.tar.xz | wc -l)" 4
is "--max-depth" "$(DEPTH=1 members t.tar.gzip)" "error 3: t.tar.gzip: nested deeper than --max-depth"
is "just deep enough" "$(DEPTH=2 members t.tar.gzip | wc -l)" 4
is "--max-members" "$(MEMBERS=2 members t.tar a.gzip)" "$(members t.tar | head -n 2)
error 3: t.tar!$(members t.tar | sed -n '3s/.*!//p'): more members than --max-members
6 a.gzip"
