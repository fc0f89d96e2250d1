# make && sudo make install; make uninstall. What is built, and with which options: CMakeLists.txt.
#
#   PREFIX       where it is to be installed; default /usr/local
#   DESTDIR      put in front of every path, for who packs
#   BUILD        the build folder; default build/make
#   CMAKE_FLAGS  further options, such as -DMOONPOOL_GATEWAY=OFF -DLUA_INCDIR=/opt/lua/include
#
# To work on moonpool itself, use ./quickstart build, which builds the tests, too.
PREFIX ?= /usr/local
BUILD ?= build/make
CMAKE ?= cmake
CMAKE_FLAGS ?=
DESTDIR ?=
JOBS ?= $(shell getconf _NPROCESSORS_ONLN 2> /dev/null || echo 2)

all:
	$(CMAKE) -S . -B $(BUILD) -DCMAKE_BUILD_TYPE=Release -DMOONPOOL_TESTS=OFF \
	  "-DCMAKE_INSTALL_PREFIX=$(PREFIX)" $(CMAKE_FLAGS)
	$(CMAKE) --build $(BUILD) --parallel $(JOBS)

install: all
	DESTDIR="$(DESTDIR)" $(CMAKE) --install $(BUILD)

# Of what was installed from $(BUILD); with the DESTDIR of then.
uninstall:
	DESTDIR="$(DESTDIR)" $(CMAKE) -P $(BUILD)/uninstall.cmake

test:
	./quickstart test

clean:
	rm -rf $(BUILD)

.PHONY: all install uninstall test clean
